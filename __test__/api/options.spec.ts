import http from 'node:http'
import { join } from 'node:path'
import test from 'ava'
import { connect, FramedSocket, listen } from '../../index.js'
import { serve, undiciConnector } from '../../http.js'
import net from '../../net.js'
import { directory, once, pair } from '../helpers/sockets.js'
import { leavesNoDescriptors } from '../helpers/streams.js'

leavesNoDescriptors(test)

const refused = (
  message: string | RegExp,
): { instanceOf: typeof TypeError; code: string; message: string | RegExp } => ({
  instanceOf: TypeError,
  code: 'ERR_INVALID_ARG_VALUE',
  message,
})

const call = (take: (options: never) => unknown, option: string) => async (): Promise<void> => {
  await take({ [option]: 1 } as never)
}

test('an option that does not exist is refused, and the nearest is named', async t => {
  const { client, listener } = await pair(t)
  const path = join(directory(t), 's')
  const connecting = (options: object): unknown => connect(listener.path, options)
  const serving = (options: object): unknown => listen(path, options)
  const cases: [(options: never) => unknown, string, string][] = [
    [serving, 'allowed', "options.allowed is invalid: listen() has no such option; did you mean 'allow'?"],
    [serving, 'ALLOW', "options.ALLOW is invalid: listen() has no such option; did you mean 'allow'?"],
    [
      serving,
      'unlink',
      "options.unlink is invalid: listen() has no such option; did you mean 'unlinkOnClose'?",
    ],
    [
      serving,
      'maxconnection',
      "options.maxconnection is invalid: listen() has no such option; did you mean 'maxConnections'?",
    ],
    [
      connecting,
      'timeOut',
      "options.timeOut is invalid: connect() has no such option; did you mean 'timeout'?",
    ],
    [
      connecting,
      'peerUids',
      "options.peerUids is invalid: connect() has no such option; did you mean 'peerUid'?",
    ],
    [
      connecting,
      'allow',
      "options.allow is invalid: connect() has no such option; did you mean 'allowHalfOpen'?",
    ],
    [
      options => new FramedSocket(client, options),
      'maxFrameLength',
      "options.maxFrameLength is invalid: new FramedSocket() has no such option; did you mean 'maxMessageLength'?",
    ],
    [
      options => listener.accept(options),
      'sginal',
      "options.sginal is invalid: accept() has no such option; did you mean 'signal'?",
    ],
    [
      options => listener.ready(options),
      'signals',
      "options.signals is invalid: ready() has no such option; did you mean 'signal'?",
    ],
    [
      options => listener.close(options),
      'drained',
      "options.drained is invalid: close() has no such option; did you mean 'drain'?",
    ],
    [
      options => listen(path, { allow: options }),
      'uid',
      "options.allow.uid is invalid: options.allow has no such option; did you mean 'uids'?",
    ],
    [
      options => serve(http.createServer(), path, options),
      'mod',
      "options.mod is invalid: serve() has no such option; did you mean 'mode'?",
    ],
    [
      options => undiciConnector(path, options),
      'tsl',
      "options.tsl is invalid: undiciConnector() has no such option; did you mean 'tls'?",
    ],
  ]
  for (const [take, option, message] of cases) await t.throwsAsync(call(take, option), refused(message))
  await t.throwsAsync(
    call(connecting, 'retries'),
    refused(/^options.retries .*; its options are 'allowHalfOpen', .*'onread', 'type'$/),
  )
})

test('an inherited option counts, and an undefined one does not', async t => {
  const path = join(directory(t), 's')
  await t.throwsAsync(listen(path, Object.create({ allowed: 'self' })), refused(/did you mean 'allow'/))
  const inherited = await listen(path, Object.create({ unlinkOnClose: true }) as object)
  await inherited.close()
  const listener = await listen(path, { allowed: undefined, mode: undefined } as object)
  t.teardown(() => listener.close())
  const client = await connect(path, { whatever: undefined } as object)
  client.destroy()
  ;(await listener.accept()).destroy()
})

test('udsock/net ignores unknown options, as node:net does', async t => {
  const path = join(directory(t), 's')
  const server = net.createServer({ allowed: 'self' } as object).listen({ path, reusePort: true } as object)
  t.teardown(() => server.close())
  await once(server, 'listening')
  const client = net.connect({ path, whatever: 1 } as never)
  t.teardown(() => client.destroy())
  await once(client, 'connect')
  t.pass()
})

test('options are checked before the state: serve() of a server that listens names the invalid option', async t => {
  const server = http.createServer().listen(join(directory(t), 'node'))
  t.teardown(() => server.close())
  await once(server, 'listening')
  await t.throwsAsync(serve(server, join(directory(t), 's'), { backlog: -1 }), { code: 'ERR_OUT_OF_RANGE' })
  await t.throwsAsync(serve(server, join(directory(t), 's')), { code: 'ERR_SERVER_ALREADY_LISTEN' })
})
