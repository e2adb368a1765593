import test from 'ava'
import { lstatSync } from 'node:fs'
import { connect, listen } from '../../index.js'
import { directory, places } from '../helpers/sockets.js'
import { answer, start } from '../helpers/program.js'

const modeOf = (path: string): number => lstatSync(path).mode & 0o7777

test('every mode is exact under every umask, which stays as it is while another thread makes files', async t => {
  t.timeout(60_000)
  const matrix = await answer<{ sockets: number[][]; files: Record<string, Record<string, true>> }>(
    t,
    start(t, 'mode-matrix.js', [directory(t)]),
  )
  t.is(matrix.sockets.length, 3 * 4 * 3 * 10)
  for (const [umask, mode, found] of matrix.sockets) t.is(found, mode, `mode ${mode} under umask ${umask}`)
  const expected = Object.fromEntries([0o000, 0o022, 0o077].map(umask => [umask, { [0o777 & ~umask]: true }]))
  t.deepEqual(matrix.files, expected)
})

test('without a mode the file has what the umask leaves', async t => {
  const path = places.path(t)
  const listener = await listen(path)
  t.is(modeOf(path), 0o777 & ~process.umask())
  await listener.close()
})

test('a mode of 0 refuses every process whose privileges do not override modes', async t => {
  const path = places.path(t)
  const listener = await listen(path, { mode: 0 })
  t.is(modeOf(path), 0)
  if (process.geteuid?.() === 0) (await connect(path)).destroy()
  else await t.throwsAsync(connect(path), { code: 'EACCES' })
  await listener.close()
})

test('what is no mode is refused, and so is a mode for an abstract name', async t => {
  const path = places.path(t)
  for (const mode of [-1, 0o1000, 0.5, NaN])
    await t.throwsAsync(listen(path, { mode }), { code: 'ERR_OUT_OF_RANGE' }, String(mode))
  for (const mode of ['600', null, 0o600n])
    await t.throwsAsync(listen(path, { mode: mode as never }), { code: 'ERR_INVALID_ARG_TYPE' })
  if (process.platform === 'linux')
    await t.throwsAsync(listen(places['abstract name'](), { mode: 0o600 }), { code: 'ERR_INVALID_ARG_VALUE' })
  await t.throwsAsync(connect(path), { code: 'ENOENT' })
})
