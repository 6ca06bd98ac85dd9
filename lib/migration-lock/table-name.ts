// The migrations table.

/** The migrations table, as errors name it. */
export class TableName {
  constructor(
    readonly name: string,
    readonly schema: string | undefined,
  ) {}

  get text(): string {
    return this.schema === undefined ? this.name : `${this.schema}.${this.name}`;
  }
}
