import test from 'ava'
import { connect } from '../../index.js'
import { everyPlace, listening, once, pair, places, receive } from '../helpers/sockets.js'
import { argument, leavesNoDescriptors, pattern, sha256 } from '../helpers/streams.js'
import { start } from '../helpers/program.js'

leavesNoDescriptors(test)

for (const value of [-1, 1.5, 1_000_001, Infinity]) {
  test(`busyPoll ${value} is refused`, async t => {
    await t.throwsAsync(connect('/nowhere', { busyPoll: value }), { code: 'ERR_OUT_OF_RANGE' })
  })
}

for (const place of everyPlace) {
  for (const busyPoll of [1, 50, 20_000]) {
    test(`a conversation with busyPoll ${busyPoll} is exact, and timers and others have their turn (${place})`, async t => {
      const listener = await listening(t, place, { backlog: 8, busyPoll })
      const client = await connect(listener.path, { busyPoll })
      const server = await listener.accept()
      const other = await connect(listener.path)
      const otherServer = await listener.accept()
      t.teardown(() => [client, server, other, otherServer].forEach(socket => socket.destroy()))
      server.pipe(server)
      let timers = 0
      let immediates = 0
      const timer = setInterval(() => timers++, 1)
      let immediate = setImmediate(function again() {
        immediates++
        immediate = setImmediate(again)
      })
      const sent: Buffer[] = []
      const received: Buffer[] = []
      const began = performance.now()
      for (let round = 0; round < 300 || performance.now() - began < 50; round++) {
        const bytes = pattern(1 + (round % 50), round + 1)
        sent.push(bytes)
        client.write(bytes)
        received.push(await receive(client, bytes.length))
        if (round % 100 === 0) {
          other.write('and I')
          t.is(String(await receive(otherServer, 5)), 'and I')
        }
      }
      clearImmediate(immediate)
      clearInterval(timer)
      t.is(sha256(Buffer.concat(received)), sha256(Buffer.concat(sent)))
      t.true(timers > 0)
      t.true(immediates > 0)
    })
  }

  test(`busyPoll ends: an idle process sleeps (${place})`, async t => {
    const { ended } = start(t, 'busy-poll-idle.js', [argument(places[place](t))])
    const { code, output, errors } = await ended
    t.is(code, 0, errors)
    t.true(Number(output) < 50_000, `${output} µs of a second`)
  })

  test(`an answer that comes after the wait arrives too, again and again (${place})`, async t => {
    const listener = await listening(t, place, { backlog: 8, busyPoll: 20 })
    const client = await connect(listener.path, { busyPoll: 20 })
    const server = await listener.accept()
    t.teardown(() => [client, server].forEach(socket => socket.destroy()))
    server.on('data', chunk => void setTimeout(() => server.write(chunk), 3))
    for (let round = 0; round < 30; round++) {
      client.write('slow')
      t.is(String(await receive(client, 4)), 'slow')
    }
  })

  test(`a socket that closes while it is waited for disturbs no other (${place})`, async t => {
    const { client, server } = await pair(t, place, { busyPoll: 100_000 })
    const closed = once(server, 'close')
    client.write('bye')
    client.destroy()
    server.resume()
    server.end()
    await closed
    t.pass()
  })
}
