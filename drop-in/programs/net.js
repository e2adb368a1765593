// The module net itself: what its documentation and Node's own tests ask of sockets and servers over paths.
import net from 'node:net'
import { bytes, cases, happened, once, pause, text, turns } from '../cases.js'

const socketEvents = ['connect', 'ready', 'data', 'end', 'finish', 'error', 'timeout', 'drain', 'close']

async function listening(run, handler, options) {
  const server = run.keep(net.createServer(options ?? {}, handler))
  const path = run.path()
  server.listen(path)
  await once(server, 'listening')
  return { server, path }
}

/** A connected pair: [client, accepted, server, path]. */
async function pair(run, options) {
  const { server, path } = await listening(run, undefined, options)
  const client = run.keep(net.connect({ path, ...options }))
  const [accepted] = await Promise.all([once(server, 'connection'), once(client, 'connect')])
  run.keep(accepted)
  return [client, accepted, server, path]
}

/** All that a socket says of its ends. */
function addressesOf(socket) {
  return [
    socket.address(),
    socket.remoteAddress,
    socket.remotePort,
    socket.remoteFamily,
    socket.localAddress,
    socket.localPort,
    socket.localFamily,
  ]
}

function Greeter() {
  net.Server.call(this, socket => socket.end('derived'))
}
Object.setPrototypeOf(Greeter.prototype, net.Server.prototype)
Object.setPrototypeOf(Greeter, net.Server)

function Caller(options) {
  net.Socket.call(this, options)
}
Object.setPrototypeOf(Caller.prototype, net.Socket.prototype)
Object.setPrototypeOf(Caller, net.Socket)

await cases({
  'an echo with the end of both sides': async run => {
    const { server, path } = await listening(run, socket => socket.pipe(socket))
    const closed = once(server, 'connection').then(socket => {
      run.follow('accepted', socket, ['end', 'finish', 'close'])
      return happened(socket, 'close')
    })
    const client = run.follow(
      'client',
      net.connect(path),
      ['connect', 'ready', 'end', 'finish', 'close'],
      true,
    )
    client.end('hello')
    const answer = await text(client)
    await happened(client, 'close')
    await closed
    server.close()
    await happened(server, 'close')
    return answer
  },
  'a client that writes before it is connected': async run => {
    const { path } = await listening(run, socket => socket.pipe(socket))
    const client = run.keep(net.connect(path))
    run.note(client.connecting, client.pending, client.readyState, client.bytesWritten)
    client.write('one', () => run.note('written'))
    client.write(Buffer.from('two'))
    run.note(client.bytesWritten, client.writableLength)
    client.on('connect', () => run.note('connect', client.bytesWritten, client.writableLength))
    client.end()
    const answer = await text(client)
    return `${answer} ${client.bytesRead} ${client.bytesWritten}`
  },
  'a megabyte each way arrives unchanged': async run => {
    const { path } = await listening(run, socket => socket.pipe(socket))
    const client = run.keep(net.connect(path))
    const sent = Buffer.alloc(1 << 20, 'abcdefghij')
    client.end(sent)
    const answer = await bytes(client)
    return answer.equals(sent)
  },
  'no listener: ENOENT, ECONNREFUSED': async run => {
    const missing = run.follow('missing', net.connect(run.path()), socketEvents, true)
    await happened(missing, 'close')
    run.note(Object.keys(await failure(run.path())))
    const { server, path } = await listening(run)
    server.close()
    await happened(server, 'close')
    await failure(path).then(error => run.note(error.code))
  },
  'an error of connect has its properties': async run => {
    const error = await failure(run.path())
    const { code, errno, syscall, address } = error
    return [code, errno, syscall, address]
  },
  'listen on a taken path: EADDRINUSE': async run => {
    const { path } = await listening(run)
    const second = run.follow('second', net.createServer(), ['listening', 'error', 'close'])
    second.listen(path)
    const { code, errno, syscall, address, port } = await happened(second, 'error')
    return [code, errno, syscall, address, port, second.listening, second.address()]
  },
  'listen twice, close twice, close before listen': async run => {
    const { server, path } = await listening(run)
    run.note(thrown(run, () => server.listen(path)))
    server.close(error => run.note('closed', error ?? 'well'))
    server.close(error => run.note('again', error ?? 'well'))
    await happened(server, 'close')
    await turns(3)
    net.createServer().close(error => run.note('never listened', error ?? 'well'))
    await turns(3)
  },
  'a server listens again after its close': async run => {
    const { server, path } = await listening(run, socket => socket.end('again'))
    server.close()
    await happened(server, 'close')
    server.listen(path)
    await once(server, 'listening')
    return text(net.connect(path))
  },
  'close waits for connections': async run => {
    const [client, accepted, server] = await pair(run)
    server.close(() => run.note('closed'))
    run.note(server.listening)
    await turns(5)
    run.note('still open')
    accepted.end('bye')
    client.resume().on('end', () => client.end())
    await happened(server, 'close')
  },
  'getConnections and connections that end': async run => {
    const [client, , server] = await pair(run)
    const count = () => new Promise(resolve => server.getConnections((error, number) => resolve(number)))
    run.note(await count())
    client.destroy()
    await until(async () => (await count()) === 0)
    run.note(await count())
  },
  'maxConnections drops the second client': async run => {
    const { server, path } = await listening(run, socket => socket.end('in'))
    server.maxConnections = 1
    run.follow('server', server, ['drop'])
    const first = run.keep(net.connect(path))
    await once(first, 'connect')
    await turns(3)
    const second = run.keep(net.connect(path))
    second.resume()
    second.on('error', () => {})
    await happened(second, 'close')
    first.resume().end()
    await happened(first, 'close')
  },
  'allowHalfOpen: the server answers after the end': async run => {
    const { path } = await listening(
      run,
      socket => {
        const chunks = []
        socket.on('data', chunk => chunks.push(chunk))
        socket.on('end', () => setImmediate(() => socket.end(`after ${Buffer.concat(chunks)}`)))
      },
      { allowHalfOpen: true },
    )
    const client = net.connect({ path })
    client.end('question')
    return text(client)
  },
  'without allowHalfOpen the end is answered': async run => {
    const [client, accepted] = await pair(run)
    run.follow('accepted', accepted, ['end', 'finish', 'close'])
    run.follow('client', client, ['end', 'finish', 'close'])
    accepted.resume()
    client.resume()
    client.end()
    await happened(client, 'close')
    await turns(3)
  },
  'a write after the end of the peer': async run => {
    const [client, accepted] = await pair(run)
    client.resume()
    accepted.end()
    client.on('error', error => run.note('error', error))
    await happened(client, 'end')
    client.write('too late', error => run.note('callback', error ?? 'none'))
    await happened(client, 'close')
  },
  'a write after one s own end': async run => {
    const [client] = await pair(run)
    client.on('error', error => run.note('error', error))
    client.end()
    run.note(client.write('late', error => run.note('callback', error ?? 'none')))
    await turns(5)
    run.note(client.destroyed)
  },
  'a write after destroy': async run => {
    const [client] = await pair(run)
    client.on('error', error => run.note('error', error))
    client.destroy()
    run.note(client.write('late', error => run.note('callback', error ?? 'none')))
    await happened(client, 'close')
    await turns(3)
  },
  'end calls back, write calls back, in order': async run => {
    const [client, accepted] = await pair(run)
    accepted.resume()
    run.follow('client', client, ['finish', 'end', 'close'])
    client.write('a', () => run.note('a'))
    client.write('b', 'utf8', () => run.note('b'))
    client.end('c', () => run.note('end'))
    await happened(client, 'close')
  },
  'encodings of write and of setEncoding': async run => {
    const { path } = await listening(run, socket => socket.pipe(socket))
    const client = run.keep(net.connect(path))
    client.setEncoding('utf8')
    client.setDefaultEncoding('latin1')
    client.write('ä')
    client.write('c3a4', 'hex')
    client.write('w6Q=', 'base64')
    client.write('ä', 'utf16le')
    client.end('ä', 'utf8')
    let all = ''
    client.on('data', chunk => (all += chunk))
    await happened(client, 'end')
    return [...all].map(letter => letter.codePointAt(0))
  },
  'a character that is split over two chunks': async run => {
    const [client, accepted] = await pair(run)
    client.setEncoding('utf8')
    client.on('data', chunk => run.note('data', chunk))
    accepted.write(Buffer.from([0xe2, 0x82]))
    await turns(4)
    accepted.end(Buffer.from([0xac]))
    await happened(client, 'end')
  },
  'invalid chunks throw': async run => {
    const [client] = await pair(run)
    for (const chunk of [1, null, {}, [], true, undefined]) run.note(thrown(run, () => client.write(chunk)))
  },
  'connect to what is no path and no port': async run => {
    return thrown(run, () => net.connect(true))
  },
  'invalid arguments of connect and listen': async run => {
    for (const bad of [[], [undefined], [{}], [{ path: 1 }], [{ path: {} }], [{ path: 'a', onread: 1 }]])
      run.note(
        thrown(run, () => {
          const socket = net.connect(...bad)
          socket.on('error', () => {})
          socket.destroy()
        }),
      )
    for (const bad of [[true], [{}], [{ path: 1 }], [{ path: true }], [{ path: null }], [Symbol.iterator]])
      run.note(
        thrown(run, () => {
          const server = net.createServer().listen(...bad)
          server.on('error', () => {})
          server.close()
        }),
      )
    for (const bad of [1, 'a', null, true]) run.note(thrown(run, () => net.createServer(bad)))
    for (const bad of ['a', -1, NaN, Infinity, {}])
      run.note(thrown(run, () => new net.Socket().setTimeout(bad)))
    for (const bad of [1, {}, 'a']) run.note(thrown(run, () => new net.Socket().setTimeout(1, bad)))
  },
  'setTimeout: an idle socket says so and lives on': async run => {
    const [client, accepted] = await pair(run)
    client.setTimeout(30, () => run.note('callback'))
    run.note(client.timeout)
    await happened(client, 'timeout')
    run.note(client.destroyed)
    accepted.end('x')
    client.setTimeout(0)
    run.note(client.timeout)
    return text(client)
  },
  'a timeout of the options': async run => {
    const { path } = await listening(run)
    const client = run.keep(net.connect({ path, timeout: 40 }))
    run.note(client.timeout)
    await happened(client, 'timeout')
    return client.destroyed
  },
  'bytesRead, bytesWritten and the ready states': async run => {
    const [client, accepted] = await pair(run)
    run.note(client.readyState, accepted.readyState, client.bytesRead, client.bytesWritten)
    accepted.on('data', () => {})
    client.write('12345')
    await happened(accepted, 'data')
    run.note(accepted.bytesRead, client.bytesWritten)
    client.end()
    run.note(client.readyState)
    await happened(accepted, 'end')
    run.note(accepted.readyState)
    await happened(client.resume(), 'close')
    run.note(client.readyState, client.bytesWritten, client.destroyed, client.pending, client.connecting)
  },
  'addresses of a path': async run => {
    const [client, accepted, server] = await pair(run)
    run.note(addressesOf(client), addressesOf(accepted), server.address())
  },
  "an answer comes after the immediates of its write's callback": async run => {
    const size = 200_000
    const { path } = await listening(run, socket => {
      let received = 0
      socket.on('error', () => {})
      socket.on('data', chunk => {
        received += chunk.length
        if (received === size) socket.write(Buffer.alloc(100_000))
      })
    })
    let early = 0
    for (let round = 0; round < 20; round++) {
      const client = run.keep(net.connect(path))
      let isDone = false
      const answered = happened(client, 'data').then(() => (early += Number(!isDone)))
      for (const part of [65_536, 65_536, 65_536, 3_392]) {
        const written = new Promise(resolve => client.write(Buffer.alloc(part), () => setImmediate(resolve)))
        await Promise.race([answered, written.then(() => (isDone = part === 3_392))])
      }
      await answered
      client.destroy()
    }
    return early > 0
  },
  'pause and resume lose nothing': async run => {
    const [client, accepted] = await pair(run)
    let received = 0
    client.on('data', chunk => {
      received += chunk.length
      client.pause()
      setImmediate(() => client.resume())
    })
    accepted.end(Buffer.alloc(500_000))
    await happened(client, 'end')
    return received
  },
  'pauseOnConnect keeps bytes until resume': async run => {
    const { server, path } = await listening(run, undefined, { pauseOnConnect: true })
    const client = run.keep(net.connect(path))
    client.end('kept')
    const accepted = await once(server, 'connection')
    run.note(accepted.isPaused(), accepted.readableFlowing)
    accepted.on('data', chunk => run.note('data', chunk.toString()))
    await turns(5)
    run.note('resume')
    accepted.resume()
    await happened(accepted, 'end')
  },
  'backpressure: write returns false, and drain follows': async run => {
    const [client, accepted] = await pair(run)
    const chunk = Buffer.alloc(65_536)
    let writes = 0
    while (client.write(chunk) && writes < 1_000) writes++
    run.note(writes < 1_000, client.writableNeedDrain)
    accepted.resume()
    await happened(client, 'drain')
    run.note(client.writableLength, client.writableNeedDrain)
  },
  'cork and uncork': async run => {
    const [client, accepted] = await pair(run)
    client.cork()
    client.write('a', () => run.note('a'))
    client.write('b', () => run.note('b'))
    run.note(client.writableCorked, client.writableLength)
    accepted.on('data', chunk => run.note('data', chunk.toString()))
    await turns(3)
    client.uncork()
    await happened(accepted, 'data')
    await turns(2)
  },
  'onread with one buffer': async run => {
    const { path } = await listening(run, socket => socket.end('in the buffer'))
    let all = ''
    const client = net.connect({
      path,
      onread: {
        buffer: Buffer.alloc(4),
        callback(count, buffer) {
          all += buffer.toString('latin1', 0, count)
          return true
        },
      },
    })
    client.on('data', () => run.note('data'))
    await happened(client, 'end')
    return `${all} ${client.bytesRead}`
  },
  'destroySoon sends what was written': async run => {
    const { path } = await listening(run, socket => {
      socket.write('all of this')
      socket.destroySoon()
    })
    return text(net.connect(path))
  },
  'destroy with an error': async run => {
    const [client, accepted] = await pair(run)
    run.follow('client', client, ['error', 'close'], true)
    accepted.resume().on('error', () => {})
    client.destroy(new Error('by choice'))
    run.note(client.destroyed, client.readyState)
    await happened(client, 'close')
    run.note(client.errored?.message, client.closed)
    await happened(accepted, 'close')
  },
  'a peer that dies while we write': async run => {
    const [client, accepted] = await pair(run, { allowHalfOpen: true })
    run.follow('client', client, ['close'], true)
    client.on('error', error => run.note('error', ['EPIPE', 'ECONNRESET'].includes(error.code)))
    accepted.destroy()
    const timer = setInterval(() => client.write('x'.repeat(1_000)), 1)
    run.defer(() => clearInterval(timer))
    client.resume()
    await happened(client, 'close')
  },
  'connect again after the close': async run => {
    const { path } = await listening(run, socket => socket.end('hi'))
    const client = new net.Socket()
    for (let round = 0; round < 3; round++) {
      client.connect(path)
      let all = ''
      client.removeAllListeners('data').on('data', chunk => (all += chunk))
      client.setEncoding('utf8')
      await happened(client, 'close')
      run.note(all, client.destroyed)
    }
  },
  'destroy while connecting': async run => {
    const { path } = await listening(run)
    const client = run.follow('client', net.connect(path), socketEvents, true)
    client.destroy()
    run.note(client.connecting, client.destroyed)
    await happened(client, 'close')
    await turns(5)
  },
  'a signal ends a socket': async run => {
    const { path } = await listening(run)
    const controller = new AbortController()
    const client = run.follow(
      'client',
      net.connect({ path, signal: controller.signal }),
      ['error', 'close'],
      true,
    )
    await once(client, 'connect')
    controller.abort()
    await happened(client, 'close')
  },
  'a signal ends a server': async run => {
    const controller = new AbortController()
    const server = net.createServer()
    server.listen({ path: run.path(), signal: controller.signal })
    await once(server, 'listening')
    controller.abort()
    await happened(server, 'close')
    return server.listening
  },
  'for await reads a socket': async run => {
    const { path } = await listening(run, socket => socket.end('iterated'))
    let all = ''
    for await (const chunk of net.connect(path)) all += chunk
    return all
  },
  'read() and readable': async run => {
    const [client, accepted] = await pair(run)
    accepted.write('abcdef')
    await happened(client, 'readable')
    run.note(String(client.read(2)), String(client.read(2)), String(client.read()), client.read())
    client.unshift('back')
    run.note(String(client.read()))
  },
  'ref and unref return the socket': async run => {
    const [client, , server] = await pair(run)
    return [
      client.ref() === client,
      client.unref() === client,
      server.unref() === server,
      server.ref() === server,
    ]
  },
  'methods of TCP are harmless': async run => {
    const [client] = await pair(run)
    return [
      client.setNoDelay() === client,
      client.setKeepAlive(true, 1_000) === client,
      thrown(run, () => client.resetAndDestroy()),
    ]
  },
  'reset before a connection': async run => {
    const socket = run.follow('socket', new net.Socket(), ['error', 'close'])
    socket.resetAndDestroy()
    await happened(socket, 'close')
  },
  'many clients at once': async run => {
    const { path } = await listening(run, socket => socket.pipe(socket))
    const answers = await Promise.all(
      Array.from({ length: 100 }, (_, number) => {
        const client = net.connect(path)
        client.end(`client ${number}`)
        return text(client)
      }),
    )
    return answers.every((answer, number) => answer === `client ${number}`)
  },
  'names and shapes': async run => {
    const [client, accepted, server] = await pair(run)
    run.note(client instanceof net.Socket, accepted instanceof net.Stream, server instanceof net.Server)
    run.note(net.Socket.name, net.Server.name, net.connect === net.createConnection)
    run.note(client.constructor === net.Socket, accepted.server === server)
    run.note(
      Object.keys(net)
        .filter(key => key !== 'BoundSocket' && !key.startsWith('_'))
        .toSorted(),
    )
    run.note(client.listenerCount('end'), client.writableHighWaterMark, client.readableHighWaterMark)
    run.note(
      client.allowHalfOpen,
      accepted.allowHalfOpen,
      client.readableObjectMode,
      client.writableObjectMode,
    )
    run.note(
      thrown(run, () => net.Socket()),
      thrown(run, () => net.Server()),
    )
  },
  'classes of functions derive from net': async run => {
    const greeter = run.keep(new Greeter())
    const path = run.path()
    greeter.listen(path)
    await once(greeter, 'listening')
    const caller = new Caller({})
    caller.connect(path)
    return text(caller)
  },
  'a server under captureRejections': async run => {
    const server = run.keep(new net.Server({}))
    server.on('connection', socket => {
      socket.destroy()
    })
    server.listen(run.path())
    await once(server, 'listening')
    server[Symbol.for('nodejs.rejection')](new Error('late'), 'other')
    run.note('emitted')
  },
  'ports and hosts are accepted by listen and connect': async run => {
    const server = run.keep(net.createServer(socket => socket.end('by port')))
    server.listen(0)
    await once(server, 'listening')
    return text(net.connect(server.address().port))
  },
  'unread bytes do not keep a destroyed socket open': async run => {
    const [client, accepted] = await pair(run)
    accepted.write('never read')
    await turns(3)
    client.destroy()
    await happened(client, 'close')
    return client.bytesRead >= 0
  },
  'pipes between sockets close both': async run => {
    const { path: far } = await listening(run, socket => socket.pipe(socket), { allowHalfOpen: true })
    const onSocket = socket => {
      const onward = net.connect({ path: far, allowHalfOpen: true })
      socket.pipe(onward).pipe(socket)
    }
    const { path } = await listening(run, onSocket, { allowHalfOpen: true })
    const client = net.connect({ path, allowHalfOpen: true })
    client.end(Buffer.alloc(300_000, 'proxied'))
    return (await bytes(client)).length
  },
})

function failure(path) {
  return happened(net.connect(path), 'error')
}

function thrown(run, work) {
  try {
    work()
    return 'no error'
  } catch (error) {
    return run.textOf(error)
  }
}

async function until(isTrue) {
  while (!(await isTrue())) await pause(2)
}
