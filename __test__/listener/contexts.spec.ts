import { AsyncLocalStorage } from 'node:async_hooks'
import test from 'ava'
import { connect } from '../../index.js'
import { contextsOf } from '../helpers/contexts.js'
import { everyPlace, listening, receiveAll } from '../helpers/sockets.js'
import { eachLeavesNoDescriptor } from '../helpers/streams.js'

eachLeavesNoDescriptor(test)

for (const place of everyPlace) {
  test.serial(
    `an accepted socket's events run in its listener's context, callbacks in their caller's (${place})`,
    async t => {
      t.timeout(30_000)
      const storage = new AsyncLocalStorage<string>()
      const listener = await storage.run('listener', () => listening(t, place))
      const accepting = storage.run('acceptor', () => listener.accept())
      const client = await storage.run('client', () => connect(listener.path, { highWaterMark: 1024 }))
      const server = await accepting
      t.teardown(() => {
        client.destroy()
        server.destroy()
      })
      const seen = await contextsOf(t, storage, server, client)
      const listeners = 'listener'
      t.deepEqual(seen, {
        timeout: 'user',
        data: listeners,
        'small write': 'user',
        'large write': 'user',
        drain: listeners,
        end: listeners,
      })
    },
  )

  test.serial(
    `a listener's 'close' runs in its creator's context, wherever it is closed (${place})`,
    async t => {
      t.timeout(30_000)
      const storage = new AsyncLocalStorage<string>()
      const listener = await storage.run('creator', () => listening(t, place))
      const seen = new Promise(resolve => listener.once('close', () => resolve(storage.getStore())))
      storage.run('closer', () => void listener.close())
      t.is(await seen, 'creator')
    },
  )

  for (const how of ['end', 'destroy'] as const) {
    test.serial(
      `an accepted socket's 'close' runs in its listener's context after ${how}() elsewhere (${place})`,
      async t => {
        t.timeout(30_000)
        const storage = new AsyncLocalStorage<string>()
        const listener = await storage.run('listener', () => listening(t, place))
        const client = await connect(listener.path)
        t.teardown(() => client.destroy())
        const server = await listener.accept()
        client.end()
        await receiveAll(server)
        const seen = new Promise(resolve => server.once('close', () => resolve(storage.getStore())))
        storage.run('elsewhere', () => server[how]())
        t.is(await seen, 'listener')
      },
    )
  }

  test.serial(
    `'finish' runs in the listener's context, the callback of end() in its caller's (${place})`,
    async t => {
      t.timeout(30_000)
      const storage = new AsyncLocalStorage<string>()
      const listener = await storage.run('listener', () => listening(t, place))
      const client = await connect(listener.path)
      const server = await listener.accept()
      t.teardown(() => {
        client.destroy()
        server.destroy()
      })
      const seen: unknown[] = []
      server.once('finish', () => seen.push(storage.getStore()))
      await new Promise<void>(resolve =>
        storage.run('elsewhere', () => {
          server.end('x', () => {
            seen.push(storage.getStore())
            resolve()
          })
        }),
      )
      t.deepEqual(seen.toSorted(), ['elsewhere', 'listener'])
    },
  )
}
