// In place of `assert` for bundled packages: loaded when something is asserted, since it takes milliseconds of the start.
module.exports = (...given) => require('node:assert')(...given);
