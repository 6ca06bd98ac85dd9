// A transaction as what is asked inside it sees it: queries of the instance, hooks, inner blocks, transactions that wait for each other.
import type { Lendable } from '../connection/lendable';
import type { EnclosingTransaction } from '../pool/ambient';
import type { SandboxOwner } from '../pool/sandboxes';
import type { AtomicOptions } from '../words/block-types';
import type { OpenTransaction } from '../words/types';
import type { Callbacks } from './callbacks';
import type { HookRegister, HookSite } from './hooks';
import type { Failure } from '../words/failure';
import type { State } from './state';
import type { Work } from './work';

/** What a transaction was begun with. */
interface Begun {
  readonly port: {
    readonly trx: { readonly isolationLevel?: string | undefined; readonly readOnly?: boolean | undefined };
  };
  readonly block: { readonly options: AtomicOptions; readonly callbacks: Callbacks | undefined } | undefined;
}

export interface Enclosing extends EnclosingTransaction, HookSite {
  readonly connection: Lendable;
  readonly parent: Enclosing | undefined;
  /** The outermost one for the user. */
  readonly outermost: Begun;
  /** Set: it is a block. */
  readonly block: Begun['block'];
  readonly children: Iterable<Enclosing>;
  readonly instance: { readonly acquireTimeoutMillis: number };
  readonly name: string;
  readonly state: State;
  /** It has begun, and neither its end nor that of one around it is under way. */
  readonly isUsable: boolean;
  /** What a statement asked now is refused with; undefined: it is sent, or knex says that the transaction is over. */
  readonly refusal: Failure | undefined;
  /** The same for whoever asks: where a statement of the user's has ended the transaction, that dooms it. */
  refuse(): Failure | undefined;
  /** What it ends with, or has ended with; undefined while it is open, and where it was committed. */
  readonly endReason: unknown;
  /** Resolves when its outcome is known. */
  readonly whenDecided: Promise<void>;
  /** Resolves when it holds its connection no more, and its last hooks have run. */
  readonly whenOver: Promise<void>;
  /** What was started inside. */
  readonly work: Work;
  /** The hooks of the whole transaction. */
  readonly hooks: HookRegister;
  /** Whose sandbox it holds open. */
  readonly sandbox: SandboxOwner | undefined;
  describe(): OpenTransaction;
  /** Refuses what is asked from now on: nothing of it is stored. Without effect once its end is under way. */
  doom(error: unknown): void;
  /** The error of one that has not done what its callback takes for done. */
  failure(message: string, cause: unknown): Error;
}
