/** What responses have in common where nothing has to be minded that uWebSockets.js needs. */
export abstract class DirectReply {
  readonly tellsEveryReply = true;
  /** What is written is sent together. */
  readonly isCorked = true;
  /** Connections may be closed at any time. */
  readonly mayClose = true;
  protected status = 200;
  protected reason = 'OK';

  watch(): void {}

  isLastDue(): boolean {
    return false;
  }

  isTurnLong(): boolean {
    return false;
  }

  cork(write: () => void): void {
    write();
  }

  later(run: () => void, cut: (error: unknown) => void): void {
    try {
      run();
    } catch (error) {
      cut(error);
    }
  }

  writeStatus(line: string): void {
    this.status = Number(line.slice(0, 3));
    this.reason = line.slice(4);
  }

  keepAlive(): void {}

  holdReading(): void {}

  readOn(): void {}

  reuse(): void {}
}
