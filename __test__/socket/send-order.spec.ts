import test from 'ava'
import { everyPlace, pair } from '../helpers/sockets.js'
import { leavesNoDescriptors } from '../helpers/streams.js'

leavesNoDescriptors(test)

// The kernel reports connections in the order in which bytes arrive on them.
for (const place of everyPlace) {
  for (const [way, act] of [
    [
      'corked',
      socket => {
        socket.cork()
        socket.write('2')
        socket.uncork()
      },
    ],
    ['large', socket => void socket.write(Buffer.alloc(20_000, '2'))],
    ['filling', socket => void Array.from({ length: 40 }, () => socket.write(Buffer.alloc(100, '2')))],
    ['written and destroyed', socket => void (socket.write('2'), socket.destroy())],
    ['written and ended', socket => void (socket.write('2'), socket.end())],
    ['destroyed', socket => void socket.destroy()],
    ['ended', socket => void socket.end()],
  ] as [string, (socket: Awaited<ReturnType<typeof pair>>['client']) => void][]) {
    test(`bytes of several sockets leave in the order of the writes: the second ${way} (${place})`, async t => {
      const first = await pair(t, place)
      const second = await pair(t, place)
      const arrived: string[] = []
      const both = Promise.all(
        [first.server, second.server].map(
          (server, index) =>
            new Promise<void>(resolve => {
              const record = () => {
                if (!arrived.includes(`${index}`)) arrived.push(`${index}`)
                resolve()
              }
              server
                .on('error', () => {})
                .once('data', record)
                .once('end', record)
                .resume()
            }),
        ),
      )
      await new Promise(resolve => setTimeout(resolve, 5))
      first.client.write('1')
      act(second.client)
      await both
      t.deepEqual(arrived, ['0', '1'])
    })
  }
}
