// Libraries of remote calls: JSON-RPC of VS Code and of jayson, FastCGI.
import jayson from 'jayson'
import net from 'node:net'
import fastcgi from 'node-fastcgi'
import rpc from 'vscode-jsonrpc/node'
import { bytes, cases, happened, once, turns } from '../cases.js'

/** A connected pair of connections over a pipe. */
async function connections(run, make = path => rpc.createClientPipeTransport(path)) {
  const path = run.path()
  const transport = await make(path)
  const [reader, writer] = rpc.createServerPipeTransport(path)
  const far = rpc.createMessageConnection(reader, writer)
  const [nearReader, nearWriter] = await transport.onConnected()
  const near = rpc.createMessageConnection(nearReader, nearWriter)
  run.defer(() => {
    near.dispose()
    far.dispose()
    writer.writable?.destroy?.()
    nearWriter.writable?.destroy?.()
    // The libraries keep their sockets.
    for (const end of [reader, writer, nearReader, nearWriter]) {
      const stream = end.readable?.stream ?? end.writable?.stream
      stream?.destroy()
    }
  })
  return { near, far, end: writer }
}

const record = (type, content, id = 1) => {
  const header = Buffer.from([1, type, id >> 8, id & 255, content.length >> 8, content.length & 255, 0, 0])
  return Buffer.concat([header, content])
}

const pairs = object =>
  Buffer.concat(
    Object.entries(object).map(([name, value]) =>
      Buffer.concat([Buffer.from([name.length, value.length]), Buffer.from(name + value)]),
    ),
  )

/** What a FastCGI answer has on its standard output. */
function outputOf(answer) {
  const parts = []
  for (let at = 0; at + 8 <= answer.length;) {
    const length = answer.readUInt16BE(at + 4)
    if (answer[at + 1] === 6) parts.push(answer.subarray(at + 8, at + 8 + length))
    at += 8 + length + answer[at + 6]
  }
  return Buffer.concat(parts).toString()
}

await cases({
  'vscode-jsonrpc: requests both ways': async run => {
    const { near, far } = await connections(run)
    far.onRequest('sum', (a, b) => a + b)
    near.onRequest('name', () => 'near')
    far.listen()
    near.listen()
    run.note(await near.sendRequest('sum', 3, 4), await far.sendRequest('name'))
  },
  'vscode-jsonrpc: a thousand requests at once': async run => {
    const { near, far } = await connections(run)
    far.onRequest('double', value => value * 2)
    far.listen()
    near.listen()
    const all = await Promise.all(Array.from({ length: 1_000 }, (_, n) => near.sendRequest('double', n)))
    return all.every((value, n) => value === n * 2)
  },
  'vscode-jsonrpc: large parameters, errors, cancelling': async run => {
    const { near, far } = await connections(run)
    far.onRequest('length', text => text.length)
    far.onRequest('fail', () => {
      throw new rpc.ResponseError(42, 'fails')
    })
    far.onRequest(
      'wait',
      token => new Promise(resolve => token.onCancellationRequested(() => resolve('cancelled'))),
    )
    far.listen()
    near.listen()
    run.note(await near.sendRequest('length', 'ü'.repeat(500_000)))
    run.note(await near.sendRequest('fail').catch(error => error.code))
    const source = new rpc.CancellationTokenSource()
    const answer = near.sendRequest('wait', source.token)
    await turns(3)
    source.cancel()
    run.note(await answer)
  },
  'vscode-jsonrpc: notifications in order, and the close': async run => {
    const { near, far } = await connections(run)
    const numbers = []
    const all = new Promise(resolve => {
      far.onNotification('number', number => {
        numbers.push(number)
        if (number === 99) resolve()
      })
    })
    const closed = new Promise(resolve => far.onClose(resolve))
    far.listen()
    near.listen()
    for (let number = 0; number < 100; number++) void near.sendNotification('number', number)
    await all
    run.note(numbers.every((number, index) => number === index))
    near.end()
    near.dispose()
    await Promise.race([closed, turns(50)])
  },
  'jayson: a server and a client of tcp': async run => {
    const server = new jayson.Server({
      add: ([a, b], done) => done(null, a + b),
      fail: (_args, done) => done({ code: -1, message: 'fails' }),
    }).tcp()
    run.keep(server)
    server.listen(0)
    await once(server, 'listening')
    const client = jayson.Client.tcp({ port: server.address().port })
    const ask = (method, params) =>
      new Promise((resolve, reject) =>
        client.request(method, params, (error, answer) => (error ? reject(error) : resolve(answer))),
      )
    run.note(
      (await ask('add', [1, 2])).result,
      (await ask('fail', [])).error,
      (await ask('none', [])).error.code,
    )
    const many = await Promise.all(Array.from({ length: 50 }, (_, n) => ask('add', [n, 1])))
    run.note(many.every(({ result }, n) => result === n + 1))
  },
  'jayson: by http, and by a path': async run => {
    const server = new jayson.Server({ echo: (args, done) => done(null, args) })
    const http = run.keep(server.http())
    http.listen(0)
    await once(http, 'listening')
    const client = jayson.Client.http({ port: http.address().port })
    const answer = await new Promise((resolve, reject) =>
      client.request('echo', ['x'], (error, result) => (error ? reject(error) : resolve(result))),
    )
    run.note(answer.result)
    const path = run.path()
    const tcp = run.keep(server.tcp())
    tcp.listen(path)
    await once(tcp, 'listening')
    const other = jayson.Client.tcp({ path })
    const second = await new Promise((resolve, reject) =>
      other.request('echo', ['y'.repeat(100_000)], (error, result) =>
        error ? reject(error) : resolve(result),
      ),
    )
    run.note(second.result[0].length)
  },
  'node-fastcgi: a request': async run => {
    const server = fastcgi.createServer((req, res) => {
      const chunks = []
      req.on('data', chunk => chunks.push(chunk))
      req.on('end', () => {
        res.writeHead(200, { 'Content-Type': 'text/plain' })
        res.end(`${req.method} ${req.url} ${Buffer.concat(chunks)}`)
      })
    })
    run.defer(() => server.close())
    const path = run.path()
    server.listen(path)
    await once(server, 'listening')
    const client = net.connect(path)
    const parameters = {
      REQUEST_METHOD: 'POST',
      REQUEST_URI: '/x',
      SERVER_PROTOCOL: 'HTTP/1.1',
      CONTENT_LENGTH: '4',
    }
    client.write(record(1, Buffer.from([0, 1, 0, 0, 0, 0, 0, 0])))
    client.write(record(4, pairs(parameters)))
    client.write(record(4, Buffer.alloc(0)))
    client.write(record(5, Buffer.from('body')))
    client.write(record(5, Buffer.alloc(0)))
    const answer = bytes(client)
    await happened(client, 'end')
    return outputOf(await answer).replace(/Date: .*\r\n/, '')
  },
})
