// The migrations table.
import { shown } from '../words/describe';

/** The migrations table, as errors name it. */
export class TableName {
  constructor(
    readonly name: string,
    readonly schema: string | undefined,
  ) {}

  get text(): string {
    return shown(this.schema === undefined ? this.name : `${this.schema}.${this.name}`);
  }
}
