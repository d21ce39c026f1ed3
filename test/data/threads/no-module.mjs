export default { name: 'counted' };
