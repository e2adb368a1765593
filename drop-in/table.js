// What the harness runs: a program of programs/ each, with the libraries that it needs, in their newest version.

/**
 * `packages`: what is installed from npm. `server`: which server of servers.js has to run. `long`: left out of the bounded
 * part. `tests`: instead of a program, the tests that `package` brings, in this folder, where `match` finds them; they run with
 * its devDependencies, `without` those that have nothing to do with them.
 */
export const programs = [
  { name: 'net' },
  { name: 'streams' },
  { name: 'http' },
  { name: 'http-client' },
  { name: 'http-edges' },
  { name: 'tls' },
  { name: 'http2' },
  { name: 'ws', packages: ['ws'] },
  { name: 'undici', packages: ['undici', 'ws'] },
  { name: 'express', packages: ['express'] },
  { name: 'fastify', packages: ['fastify'] },
  { name: 'koa-hapi', packages: ['koa', '@hapi/hapi'] },
  { name: 'got', packages: ['got'] },
  { name: 'axios', packages: ['axios', 'node-fetch', 'superagent'] },
  { name: 'http-tools', packages: ['agentkeepalive', 'http-proxy', 'stoppable'] },
  { name: 'rpc', packages: ['jayson', 'node-fastcgi', 'vscode-jsonrpc'] },
  { name: 'grpc', packages: ['@grpc/grpc-js'] },
  { name: 'socket.io', packages: ['socket.io', 'socket.io-client'] },
  { name: 'mail', packages: ['nodemailer', 'smtp-server'] },
  { name: 'mqtt', packages: ['aedes', 'mqtt'] },
  { name: 'redis', packages: ['ioredis', 'redis'], server: 'redis' },
  { name: 'pg', packages: ['pg'], server: 'postgres' },
  { name: 'mysql2', packages: ['mysql2'], server: 'mariadb', long: true },
  {
    name: 'fastify tests',
    package: 'fastify',
    tests: 'test',
    match: /\.test\.js$/,
    without:
      /eslint|lint|types|tstyche|typescript|borp|branch|cross-env|concurrently|autocannon|neostandard|reporter|c8/,
    long: true,
  },
  {
    name: 'ssh2 tests',
    package: 'ssh2',
    tests: 'test',
    match: /test-.*\.js$/,
    without: /eslint|types/,
    long: true,
  },
]

/**
 * Differences that are meant: `stated` is the sentence of docs/migrating-from-node-net.md that states them. `nodes(major)`: in which versions of Node
 * there is one, if not in all.
 */
export const listed = [
  {
    program: 'net',
    cases: ["an answer comes after the immediates of its write's callback"],
    stated:
      "so `write()` callbacks come a little later: an answer may arrive before an immediate that the write's callback queued",
  },
  {
    program: 'http-edges',
    cases: ['readableAll and writableAll of a server'],
    stated: '**`readableAll` and `writableAll`** widen what the umask leaves, as on Node 20',
    nodes: major => major >= 22,
  },
  {
    program: 'http2',
    cases: ['no listener'],
    stated: "a session over a socket that is still connecting emits 'connect' at once",
  },
]
