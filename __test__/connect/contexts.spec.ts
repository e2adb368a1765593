import { AsyncLocalStorage } from 'node:async_hooks'
import test from 'ava'
import { connect, type UnixSocket } from '../../index.js'
import { contextsOf } from '../helpers/contexts.js'
import { everyPlace, listening, receiveAll } from '../helpers/sockets.js'
import { eachLeavesNoDescriptor } from '../helpers/streams.js'
import { full, next, warmUp } from './helpers.js'

eachLeavesNoDescriptor(test, warmUp)

for (const place of everyPlace) {
  for (const how of ['at once', 'after waiting'] as const) {
    test.serial(
      `a connected socket's events run in its creator's context, callbacks in their caller's, connected ${how} (${place})`,
      async t => {
        t.timeout(30_000)
        const storage = new AsyncLocalStorage<string>()
        const listener = how === 'at once' ? await listening(t, place) : await full(t, place)
        const connecting = storage.run('creator', () => connect(listener.path, { highWaterMark: 1024 }))
        if (how === 'after waiting') t.is(await next(listener), 'filler')
        const client = await connecting
        const server = await listener.accept()
        t.teardown(() => {
          client.destroy()
          server.destroy()
        })
        const seen = await contextsOf(t, storage, client, server)
        const creator = 'creator'
        t.deepEqual(seen, {
          timeout: 'user',
          data: creator,
          'small write': 'user',
          'large write': 'user',
          drain: creator,
          end: creator,
        })
      },
    )
  }

  for (const how of ['end', 'destroy'] as const) {
    test.serial(
      `a connected socket's 'close' runs in its creator's context after ${how}() elsewhere (${place})`,
      async t => {
        t.timeout(30_000)
        const storage = new AsyncLocalStorage<string>()
        const listener = await listening(t, place)
        const client = await storage.run('creator', () => connect(listener.path))
        const server = await listener.accept()
        server.end()
        server.resume()
        await receiveAll(client)
        const seen = new Promise(resolve => client.once('close', () => resolve(storage.getStore())))
        storage.run('elsewhere', () => client[how]())
        t.is(await seen, 'creator')
      },
    )
  }

  test.serial(`sockets with different contexts do not mix in one turn (${place})`, async t => {
    t.timeout(30_000)
    const storage = new AsyncLocalStorage<string>()
    const listener = await listening(t, place, { backlog: 32 })
    const names = Array.from({ length: 20 }, (_, number) => `context ${number}`)
    const clients: UnixSocket[] = []
    const servers: UnixSocket[] = []
    for (const name of names) {
      clients.push(await storage.run(name, () => connect(listener.path)))
      servers.push(await listener.accept())
    }
    t.teardown(() => {
      for (const socket of [...clients, ...servers]) socket.destroy()
    })
    const seen: unknown[] = []
    const answers: unknown[] = []
    let turnEnded: number | undefined
    const done = new Promise<void>(resolve => {
      clients.forEach((client, number) =>
        client.on('data', (data: Buffer) => {
          // Microtasks run when the whole turn is over.
          if (seen.length === 0) queueMicrotask(() => (turnEnded = seen.length))
          seen.push([storage.getStore(), String(data)])
          client.write('thanks', () => {
            answers.push(storage.getStore())
            if (answers.length === names.length) resolve()
          })
          if (number === 5) storage.run('inside', () => {})
        }),
      )
    })
    servers.forEach((server, number) => server.write(names[number]!))
    await done
    t.is(turnEnded, names.length, 'all of it is one turn')
    t.deepEqual((seen as string[][]).toSorted(), names.map(name => [name, name]).toSorted())
    t.deepEqual((answers as string[]).toSorted(), names.toSorted())
  })
}
