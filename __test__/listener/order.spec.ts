import test from 'ava'
import { atOnce, everyPlace, listening, receiveAll } from '../helpers/sockets.js'
import { eachLeavesNoDescriptor } from '../helpers/streams.js'
import { accepted, connected } from './helpers.js'

eachLeavesNoDescriptor(test)

for (const place of everyPlace) {
  test.serial(`concurrent accepts are served first come, first served (${place})`, async t => {
    t.timeout(30_000)
    const listener = await listening(t, place, { backlog: 16 })
    const order: number[] = []
    const accepts = Array.from({ length: 10 }, async (_, turn) => {
      const server = await listener.accept()
      order.push(turn)
      const number = Number(await receiveAll(server))
      server.destroy()
      return number
    })
    for (let number = 0; number < 10; number++) (await connected(t, listener)).end(String(number))
    t.deepEqual(await Promise.all(accepts), [0, 1, 2, 3, 4, 5, 6, 7, 8, 9])
    t.deepEqual(order, [0, 1, 2, 3, 4, 5, 6, 7, 8, 9])
  })

  test.serial(`an accept that was aborted gives up its place alone (${place})`, async t => {
    t.timeout(30_000)
    const listener = await listening(t, place)
    const controller = new AbortController()
    const first = accepted(t, listener)
    const second = listener.accept({ signal: controller.signal })
    const third = accepted(t, listener)
    controller.abort()
    t.is(await atOnce(second), 'ABORT_ERR')
    for (const number of ['0', '1']) (await connected(t, listener)).end(number)
    t.is(String(await receiveAll(await first)), '0')
    t.is(String(await receiveAll(await third)), '1')
  })

  test.serial(`ready() waits behind accepts that wait (${place})`, async t => {
    t.timeout(30_000)
    const listener = await listening(t, place)
    const accepts = [accepted(t, listener), accepted(t, listener)]
    const ready = listener.ready()
    await connected(t, listener)
    await accepts[0]
    t.is(await atOnce(ready), 'pending', 'the connection was not for the taking')
    await connected(t, listener)
    await accepts[1]
    t.is(await atOnce(ready), 'pending')
    await connected(t, listener)
    await ready
    await accepted(t, listener)
  })

  test.serial(`ready() ignores a connection that a waiting accept is about to take (${place})`, async t => {
    t.timeout(30_000)
    const listener = await listening(t, place)
    const accept = accepted(t, listener)
    // It is in the kernel's queue when the call returns, and the event loop has not looked yet.
    const connecting = connected(t, listener)
    const ready = listener.ready()
    await Promise.all([accept, connecting])
    t.is(await atOnce(ready), 'pending')
    await connected(t, listener)
    await ready
    await accepted(t, listener)
  })

  test.serial(`one connection resolves every ready() that waits (${place})`, async t => {
    t.timeout(30_000)
    const listener = await listening(t, place)
    const controller = new AbortController()
    const aborted = listener.ready({ signal: controller.signal })
    const waits = [listener.ready(), listener.ready(), listener.ready()]
    controller.abort()
    t.is(await atOnce(aborted), 'ABORT_ERR')
    await connected(t, listener)
    await Promise.all(waits)
    await listener.ready()
    await accepted(t, listener)
    t.is(await atOnce(listener.ready()), 'pending')
  })
}
