// The errors of the workload's own code, told apart from all others.

export class OwnError extends Error {}
