import { Writable } from 'node:stream'
import test from 'ava'
import { eventually, everyPlace, once, pair, receiveAll } from '../helpers/sockets.js'
import { generator, leavesNoDescriptors, pattern, sha256, turns } from '../helpers/streams.js'

leavesNoDescriptors(test)

for (const place of everyPlace) {
  test(`a reader that changes its ways all the time loses nothing (${place})`, async t => {
    const { client, server } = await pair(t, place)
    const random = generator(7)
    const sent: Buffer[] = []
    const received: Buffer[] = []
    const take = (chunk: Buffer): void => void received.push(chunk)
    const ways = [
      () => client.off('data', take).on('data', take).resume(),
      () => client.pause(),
      () => client.off('data', take).pause(),
      async () => {
        client.off('data', take).pause()
        await turns(1)
        for (let chunk; (chunk = client.read() as Buffer | null) !== null;) take(chunk)
      },
      async () => {
        client.off('data', take).pause()
        const sink = new Writable({
          highWaterMark: 100,
          write: (chunk, _, done) => (take(chunk), setImmediate(done)),
        })
        client.pipe(sink)
        await turns(3)
        client.unpipe(sink)
        await new Promise<void>(resolve => void sink.end(resolve))
      },
      () => client.unshift(received.pop() ?? Buffer.alloc(0)),
    ]
    for (let round = 0; round < 300; round++) {
      const bytes = pattern(1 + random(random(10) === 0 ? 100_000 : 500), round + 1)
      sent.push(bytes)
      if (!server.write(bytes)) client.off('data', take).on('data', take).resume()
      await ways[random(ways.length)]!()
      await turns(random(3))
    }
    server.end()
    client.off('data', take).on('data', take).resume()
    await once(client, 'end')
    t.is(sha256(Buffer.concat(received)), sha256(Buffer.concat(sent)))
    t.is(client.bytesRead, Buffer.concat(sent).length)
  })

  test(`setEncoding in the midst of a conversation, characters split over chunks (${place})`, async t => {
    const { client, server } = await pair(t, place)
    client.on('data', chunk => server.emit('heard', chunk))
    server.write('plain')
    t.deepEqual(await once(server, 'heard'), Buffer.from('plain'))
    client.setEncoding('utf8')
    const euro = Buffer.from('€')
    server.write(euro.subarray(0, 2))
    await turns(5)
    server.write(euro.subarray(2))
    t.is(await once(server, 'heard'), '€')
  })

  test(`a reader that pauses, ends or destroys inside 'data' is obeyed at once (${place})`, async t => {
    for (const stop of ['pause', 'closeRead', 'destroy'] as const) {
      const { client, server } = await pair(t, place)
      let heard = 0
      client.on('data', () => {
        if (++heard === 3) client[stop]()
      })
      server.on('error', () => {})
      for (let turn = 0; turn < 8; turn++) {
        server.write(String(turn))
        await eventually(`part ${turn} is heard, or it has stopped`, () => heard > Math.min(turn, 2))
        await turns(3)
      }
      t.is(heard, 3, stop)
      if (stop !== 'pause') continue
      client.removeAllListeners('data')
      server.end()
      t.is(String(await receiveAll(client)), '34567')
    }
  })
}
