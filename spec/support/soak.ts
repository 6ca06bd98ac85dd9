// `npm run test:soak` requires this file: what a spec can do many times over, it then does as often as it is worth, elsewhere once.

process.env.SOAK = '1';
