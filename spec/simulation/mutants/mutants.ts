// Plausible slips in the package: the simulator has to find each of them. An anchor is there once in its file.

export interface Mutant {
  /** What goes wrong by it. */
  slip: string;
  /** In lib/. */
  file: string;
  anchor: string;
  mutation: string;
}

export const mutants: Mutant[] = [
  {
    slip: 'a reset forgets to tell the statements that wait in the queue',
    file: 'connection/statement-queue.ts',
    anchor: '    this.dropWaiting(error);\n    if (this.flying && !this.flying.isOwn)',
    mutation: '    if (this.flying && !this.flying.isOwn)',
  },
  {
    slip: 'two statements are sent at once',
    file: 'connection/statement-queue.ts',
    anchor: 'if (this.#statements.length === 1 && this.#isReady) this.#start',
    mutation: 'if (this.#wire !== undefined) this.#start',
  },
  {
    slip: 'a cancel that is still on its way counts as delivered: the next borrower is stopped',
    file: 'drivers/pg/cancel.ts',
    anchor: 'const isDelivered = await within(limit, closed);\n  wire.stream.destroy();',
    mutation:
      'const isDelivered = await Promise.resolve(true);\n  closed.then(() => wire.stream.destroy()).catch(() => {});',
  },
  {
    slip: 'a doubtful connection is not rolled back before it is lent again',
    file: 'connection/lendable.ts',
    anchor: "return status === 'idle' || status === 'unknown';",
    mutation: 'return status !== undefined;',
  },
  {
    slip: 'the answer to a COMMIT in a reset is waited for without a bound',
    file: 'reset/end-connection.ts',
    anchor: 'if (entry?.isCommitting) await within(deadline.part(COMMIT_SHARE), entry.whenDecided);',
    mutation: 'if (entry?.isCommitting) await entry.whenDecided;',
  },
  {
    slip: 'the gate stays open while a reset runs',
    file: 'reset/lifecycle.ts',
    anchor: '    if (isInUse(this.#instance)) pool.queue.closeGate();\n',
    mutation: '',
  },
  {
    slip: 'those that wait for a connection are not turned away by a reset',
    file: 'reset/lifecycle.ts',
    anchor: 'const turned = pool.turnAway(error, waiting);',
    mutation: 'const turned = { rejected: 0, requeued: 0 };',
  },
  {
    slip: 'what waits is not turned away by a call that joins another reset',
    file: 'reset/lifecycle.ts',
    anchor: '      turnAway(this.#instance, request, last);\n',
    mutation: '',
  },
  {
    slip: 'what a reset has aborted waits for its callback for ever',
    file: 'reset/reset.ts',
    anchor: 'if (entries.length > 0) inBackground(',
    mutation: 'if (entries.length > 1000) inBackground(',
  },
  {
    slip: 'a block is tried again across a reset',
    file: 'transaction/retry.ts',
    anchor: 'if (resets.calls === earlier + 1 && isResetFor(resets, attempt, error)) earlier = resets.calls;',
    mutation: 'earlier = resets.calls;',
  },
  {
    slip: 'a COMMIT that the server answered by ROLLBACK counts as done',
    file: 'transaction/root.ts',
    anchor: "(isUndone ? 'rolledBack' : 'committed')",
    mutation: "'committed'",
  },
  {
    slip: 'a COMMIT without an answer counts as rolled back',
    file: 'transaction/root.ts',
    anchor: 'return this.#inDoubt(state, connection.fatal ?? error);',
    mutation: "return this.move({ is: 'ended', outcome: { kind: 'rolledBack', error } });",
  },
  {
    slip: 'hooks of an undone savepoint stay',
    file: 'transaction/hooks.ts',
    anchor: 'of entries.splice(first))',
    mutation: 'of entries.slice(first))',
  },
  {
    slip: 'afterCommit hooks do not run',
    file: 'transaction/finish.ts',
    anchor: 'const errors = await lastHooks(transaction);',
    mutation: 'const errors = await Promise.resolve([] as unknown[]);',
  },
  {
    slip: 'the timer of a limit is left behind',
    file: 'transaction/limit.ts',
    anchor: '    clearTimeout(timer);\n    // It must',
    mutation: '    // It must',
  },
  {
    slip: 'a limit ends its block, but not what runs in it',
    file: 'transaction/limit.ts',
    anchor: '    if (transaction) inBackground(transaction.interrupt(error));\n    if (!hasBegun) this.#interruption',
    mutation: '    if (!hasBegun || hasBegun) this.#interruption',
  },
  {
    slip: 'a lost COMMIT that the server has not heard of is taken for done',
    file: 'transaction/verify-commit.ts',
    anchor: "if (status === 'committed') return { kind: 'committed', value };",
    mutation: "if (status !== undefined) return { kind: 'committed', value };",
  },
];
