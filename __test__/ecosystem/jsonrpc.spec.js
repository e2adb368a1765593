import test from 'ava'
import rpc from 'vscode-jsonrpc/node'
import { connect, listen } from '../../index.js'
import { eventually, everyPlace, pair, places } from '../helpers/sockets.ts'
import { leavesNoDescriptors } from '../helpers/streams.ts'

const {
  CancellationTokenSource,
  ConnectionErrors,
  createClientPipeTransport,
  createMessageConnection,
  createServerPipeTransport,
  ErrorCodes,
  ResponseError,
  SocketMessageReader,
  SocketMessageWriter,
  StreamMessageReader,
  StreamMessageWriter,
} = rpc

leavesNoDescriptors(test.serial)

/** A connection whose peer may ask it to answer, to fail, and to wait. */
function serving(t, reader, writer) {
  const connection = createMessageConnection(reader, writer)
  t.teardown(() => connection.dispose())
  connection.onRequest('echo', text => text)
  connection.onRequest('fail', () => new ResponseError(4711, 'not today ☃', { why: ['no'] }))
  connection.onRequest(
    'wait',
    (_, token) => new Promise(resolve => token.onCancellationRequested(() => resolve('gave up'))),
  )
  connection.notes = []
  connection.onNotification('note', note => connection.notes.push(note))
  connection.closed = new Promise(resolve => connection.onClose(resolve))
  connection.listen()
  return connection
}

const streamsOf = socket => [new StreamMessageReader(socket), new StreamMessageWriter(socket)]
const long = 'snow ☃ '.repeat((5 * 1024 * 1024) / 10)

async function converse(t, one, other) {
  for (const [asking, answering] of [
    [one, other],
    [other, one],
  ]) {
    t.is(await asking.sendRequest('echo', long), long)
    const answers = await Promise.all(Array.from({ length: 2000 }, (_, n) => asking.sendRequest('echo', n)))
    t.deepEqual(answers, [...answers.keys()])
    const error = await t.throwsAsync(asking.sendRequest('fail'), { instanceOf: ResponseError, code: 4711 })
    t.deepEqual([error.message, error.data], ['not today ☃', { why: ['no'] }])
    await t.throwsAsync(asking.sendRequest('unknown'), { code: ErrorCodes.MethodNotFound })
    const source = new CancellationTokenSource()
    const waiting = asking.sendRequest('wait', null, source.token)
    // What comes after it has an answer, so it is there and waits.
    await asking.sendRequest('echo', 'there')
    source.cancel()
    t.is(await waiting, 'gave up')
    const notes = Array.from({ length: 5000 }, (_, n) => `note ${n}`)
    await Promise.all(notes.map(note => asking.sendNotification('note', note)))
    await eventually('every note is there', () => answering.notes.length === notes.length)
    t.deepEqual(answering.notes, notes)
  }
}

for (const place of everyPlace) {
  test.serial(`vscode-jsonrpc: streams over both ends (${place})`, async t => {
    const { client, server } = await pair(t, place)
    const [one, other] = [serving(t, ...streamsOf(client)), serving(t, ...streamsOf(server))]
    await converse(t, one, other)
    const cut = t.throwsAsync(one.sendRequest('wait', null), { code: ErrorCodes.PendingResponseRejected })
    await one.sendRequest('echo', 'there')
    // A reader gets the end when the socket closes, so both directions have to end.
    one.end()
    server.end()
    await Promise.all([one.closed, other.closed])
    one.dispose()
    await cut
    t.true(client.closed && server.closed)
  })
}

test.serial('vscode-jsonrpc: a peer that goes away closes the connection', async t => {
  const { client, server } = await pair(t)
  const one = serving(t, ...streamsOf(client))
  client.allowHalfOpen = false
  server.destroy()
  await one.closed
  t.throws(() => one.sendRequest('echo', 'gone'), { code: ConnectionErrors.Closed })
  await eventually('the socket is closed', () => client.closed)
})

test.serial('vscode-jsonrpc: its pipe to a listener', async t => {
  const listener = await listen(places.path(t), { allowHalfOpen: false })
  t.teardown(() => listener.close())
  const one = serving(t, ...createServerPipeTransport(listener.path))
  const server = await listener.accept()
  const other = serving(t, ...streamsOf(server))
  await converse(t, one, other)
  one.dispose()
  await other.closed
  await eventually('the socket is closed', () => server.closed)
})

test.serial('vscode-jsonrpc: a socket to its pipe', async t => {
  const path = places.path(t)
  const transport = await createClientPipeTransport(path)
  t.teardown(() => transport.close())
  const client = await connect(path, { allowHalfOpen: false })
  const one = serving(t, new SocketMessageReader(client), new SocketMessageWriter(client))
  const other = serving(t, ...(await transport.onConnected()))
  await converse(t, one, other)
  // Its writer for sockets destroys the socket.
  one.dispose()
  await other.closed
  await eventually('the socket is closed', () => client.closed)
})
