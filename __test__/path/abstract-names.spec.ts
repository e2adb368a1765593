import test from 'ava'
import { randomBytes } from 'node:crypto'
import { readdirSync } from 'node:fs'
import { abstractName, connect, listen, type UnixListener } from '../../index.js'
import { directory, eventually, receiveAll } from '../helpers/sockets.js'

/** Another run of the suite may have a very short name for a moment. */
async function listenWhenFree(path: Uint8Array): Promise<UnixListener> {
  let listener: UnixListener | undefined
  await eventually('the name is free', async () => {
    try {
      listener = await listen(path)
      return true
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EADDRINUSE' || path.length > 4) throw error
      return false
    }
  })
  return listener!
}

/** Sends `text` to `path`, and returns what the listener got. */
async function deliver(path: Uint8Array, listener: UnixListener, text: string): Promise<string> {
  const [client, server] = await Promise.all([connect(path), listener.accept()])
  client.end(text)
  const received = await receiveAll(server)
  client.destroy()
  server.destroy()
  return String(received)
}

test('an abstract name of every length from 0 to 107 bytes, zero bytes included, is a place of its own', async t => {
  t.timeout(30_000)
  for (let length = 0; length <= 107; length++) {
    for (const name of [randomBytes(length), Buffer.alloc(length), Buffer.alloc(length, 0xff)]) {
      const path = abstractName(name)
      const listener = await listenWhenFree(path)
      try {
        t.deepEqual(listener.path, path)
        t.is(await deliver(path, listener, `${length}`), `${length}`)
        await t.throwsAsync(listen(path), { code: 'EADDRINUSE' })
      } finally {
        await listener.close()
      }
      // The name went with its listener.
      await t.throwsAsync(connect(path), { code: 'ECONNREFUSED' })
      if (length === 0) break
    }
  }
})

test('names of which one begins with the other, or differ in zero bytes alone, are different places', async t => {
  const name = randomBytes(8).toString('hex')
  const names = ['', '\0', '\0\0', 'a', 'a\0', 'a\0\0', '\0a', '\0a\0', 'b'].map(rest => `${name}${rest}`)
  const listeners = await Promise.all(names.map(each => listen(abstractName(each))))
  t.teardown(() => Promise.all(listeners.map(listener => listener.close())))
  for (const [index, listener] of listeners.entries()) {
    t.is(await deliver(abstractName(names[index]!), listener, `for ${index}`), `for ${index}`)
  }
  for (const rest of ['\0\0\0', 'a\0\0\0', '\0a\0\0', '\0b', 'ab']) {
    await t.throwsAsync(connect(abstractName(`${name}${rest}`)), { code: 'ECONNREFUSED' })
  }
})

test('an error about an abstract name has "@" for its zero byte', async t => {
  const name = `udsock-${randomBytes(8).toString('hex')}`
  const refused = { code: 'ECONNREFUSED', message: `connect ECONNREFUSED @${name}: no process listens there` }
  const error = await t.throwsAsync(connect(abstractName(name)), refused)
  t.like(error, { syscall: 'connect', address: `@${name}`, errno: -111 })
  const listener = await listen(abstractName(name))
  t.teardown(() => listener.close())
  const taken = await t.throwsAsync(listen(abstractName(name)), { code: 'EADDRINUSE' })
  t.like(taken, { syscall: 'listen', address: `@${name}`, errno: -98 })
})

test('an abstract name and a file with the same bytes have nothing to do with each other', async t => {
  const home = directory(t)
  const file = `${home}/s`
  const listeners = [await listen(file), await listen(abstractName(file))] as const
  t.teardown(() => Promise.all(listeners.map(listener => listener.close())))
  t.is(await deliver(Buffer.from(file), listeners[0], 'file'), 'file')
  t.is(await deliver(abstractName(file), listeners[1], 'name'), 'name')
  t.deepEqual(readdirSync(home), ['s'])
})
