// Specs stop servers by signals, which reach processes of this machine only.

const HERE = ['127.0.0.1', 'localhost', '[::1]'];

/** Why the server of this run cannot be stopped; undefined: it can. Without DATABASE_URL the run makes a server on this machine. */
export function whyNoSignals(): string | undefined {
  const url = process.env.DATABASE_URL;
  return url === undefined || HERE.includes(new URL(url).hostname)
    ? undefined
    : 'the server of DATABASE_URL is on another machine';
}
