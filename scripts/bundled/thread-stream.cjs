// In place of the package `thread-stream`, by which pino runs transports in threads: the log has none.
module.exports = class {
  constructor() {
    throw new Error('pino has no transports here');
  }
};
