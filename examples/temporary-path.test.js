// A private path for each test: `node --test examples/temporary-path.test.js`
import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test from 'node:test'
import { connect, listen } from 'udsock'

/** A path in a directory of its own, which is removed after the test. Keep it short: a path has at most 104 bytes on macOS. */
async function temporaryPath(t) {
  const directory = await mkdtemp(join(tmpdir(), 'test-'))
  t.after(() => rm(directory, { recursive: true, force: true }))
  return join(directory, 's')
}

test('the server greets', async t => {
  const listener = await listen(await temporaryPath(t))
  t.after(() => listener.close())
  const client = await connect(listener.path)
  const server = await listener.accept()
  server.end('hello')
  client.end()
  let text = ''
  for await (const chunk of client) text += chunk
  assert.equal(text, 'hello')
})
