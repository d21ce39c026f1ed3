export default ({ defineModule }) => defineModule({ name: 'other' });
