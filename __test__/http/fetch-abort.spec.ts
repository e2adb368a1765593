import test from 'ava'
import { fetch } from '../../http.js'
import { serving } from '../helpers/fetch.js'
import { eventually } from '../helpers/sockets.js'

test('an abort rejects with the reason: before, during the wait, and while the body comes', async t => {
  let open = 0
  const path = await serving(t, (request, response) => {
    open++
    request.socket.once('close', () => open--)
    if (request.url === '/body') response.write('begin')
  })
  const reason = new Error('enough')
  await t.throwsAsync(fetch(path, '/', { signal: AbortSignal.abort(reason) }), { is: reason })
  const controller = new AbortController()
  const waiting = fetch(path, '/', { signal: controller.signal })
  const response = await fetch(path, '/body', { signal: controller.signal })
  const reading = response.text()
  await eventually('both requests have come', () => open === 2)
  controller.abort(reason)
  await t.throwsAsync(waiting, { is: reason })
  await t.throwsAsync(reading, { is: reason })
  await eventually('both connections are closed', () => open === 0)
  const timed = await fetch(path, '/', { signal: AbortSignal.timeout(20) }).catch((error: unknown) => error)
  t.is((timed as Error).name, 'TimeoutError')
})

test('an abort directly after the call sends nothing', async t => {
  let requests = 0
  const path = await serving(t, (_request, response) => {
    requests++
    response.end('text')
  })
  const reason = new Error('enough')
  const cancelled: unknown[] = []
  const stream = new ReadableStream({ cancel: why => void cancelled.push(why) })
  const bodies = [undefined, 'text', new Blob(['blob']), new FormData(), stream]
  for (const body of bodies) {
    const controller = new AbortController()
    const options = { method: 'POST', body, duplex: 'half', signal: controller.signal }
    const aborted = fetch(path, '/', options as never)
    controller.abort(reason)
    await t.throwsAsync(aborted, { is: reason })
  }
  t.deepEqual(cancelled, [reason])
  t.is(await (await fetch(path, '/')).text(), 'text')
  t.is(requests, 1)
})

test('an abort cancels a body whose source waits', async t => {
  const path = await serving(t, () => {})
  const reason = new Error('enough')
  const controller = new AbortController()
  let isPulled = false
  let cancelled: unknown
  const body = new ReadableStream(
    {
      pull() {
        isPulled = true
        return new Promise(() => {})
      },
      cancel(why) {
        cancelled = why
      },
    },
    { highWaterMark: 0 },
  )
  const sending = fetch(path, '/', {
    method: 'POST',
    body,
    duplex: 'half',
    signal: controller.signal,
  } as never)
  await eventually('the source is asked', () => isPulled)
  controller.abort(reason)
  await t.throwsAsync(sending, { is: reason })
  await eventually('the source is cancelled', () => cancelled === reason)
  t.pass()
})
