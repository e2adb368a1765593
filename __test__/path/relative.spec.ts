import test from 'ava'
import { readdirSync } from 'node:fs'
import { directory } from '../helpers/sockets.js'
import { failure, type Outcome, outcomes, type Step } from './helpers.js'

test('a relative path is completed at the call: the directory changes before the work is done', async t => {
  const [home, elsewhere] = [directory(t), directory(t)]
  const steps = (path: unknown): Step[] => [
    { chdir: home },
    { listenAndLeave: [path, elsewhere] },
    { chdir: home },
    { connect: path },
  ]
  t.deepEqual(await outcomes(t, steps('s')), ['ok', failure('ECONNREFUSED', 'connect', `${home}/s`)])
  t.deepEqual(await outcomes(t, steps('s')), [
    failure('EADDRINUSE', 'listen', `${home}/s`),
    failure('ECONNREFUSED', 'connect', `${home}/s`),
  ])
  t.deepEqual(await outcomes(t, steps({ bytes: '74' })), [
    'ok',
    failure('ECONNREFUSED', 'connect', `${home}/t`),
  ])
  t.deepEqual(await outcomes(t, [{ chdir: home }, { connectAndLeave: ['u', elsewhere] }]), ['from afar'])
  t.deepEqual(readdirSync(home).toSorted(), ['s', 't', 'u'])
  t.deepEqual(readdirSync(elsewhere), [])
})

for (const form of ['string', 'bytes']) {
  test(`a relative path of every length from 1 to 300, as ${form}, works while it has 108 bytes when completed`, async t => {
    t.timeout(30_000)
    const home = directory(t)
    const longest = 108 - home.length - 1
    const names = Array.from({ length: 300 }, (_, index) => 'n'.repeat(index + 1))
    const expected: Outcome[] = names.flatMap(name => {
      if (name.length > longest) return [{ code: 'ERR_INVALID_ARG_VALUE' }, { code: 'ERR_INVALID_ARG_VALUE' }]
      return ['ok', failure('ECONNREFUSED', 'connect', `${home}/${name}`)]
    })
    const steps = names.flatMap(name => {
      const path = form === 'string' ? name : { bytes: Buffer.from(name).toString('hex') }
      return [{ listen: path }, { connect: path }]
    })
    t.deepEqual(await outcomes(t, [{ chdir: home }, ...steps]), expected)
    t.deepEqual(
      readdirSync(home).toSorted((a, b) => a.length - b.length),
      names.slice(0, longest),
    )
  })
}

test('a relative path in the root directory may have 107 bytes', async t => {
  const longest = 'n'.repeat(107)
  t.deepEqual(await outcomes(t, [{ chdir: '/' }, { connect: longest }, { connect: `${longest}n` }]), [
    failure('ENOENT', 'connect', `/${longest}`),
    { code: 'ERR_INVALID_ARG_VALUE' },
  ])
})

test('a relative path is completed also where the working directory has bytes that are not UTF-8', async t => {
  const home = directory(t)
  const shell = [
    'sh',
    '-c',
    `cd "${home}" && d="$(printf 'a\\377b')" && mkdir "$d" && cd "$d" && exec "$@"`,
    'sh',
  ]
  const steps = [{ listen: 's' }, { connect: 's' }, { listen: { bytes: 'fe' } }]
  const address = `${home}/a\ufffdb/s`
  t.deepEqual(await outcomes(t, steps, shell), ['ok', failure('ECONNREFUSED', 'connect', address), 'ok'])
  const inside = Buffer.from(`${home}/a\xffb`, 'latin1')
  t.deepEqual(readdirSync(home, 'buffer'), [Buffer.from('a\xffb', 'latin1')])
  t.deepEqual(readdirSync(inside, 'latin1').toSorted(), ['s', '\xfe'])
})

test('a relative path is ENOENT where the working directory is gone', async t => {
  const home = directory(t)
  const shell = [
    'sh',
    '-c',
    `mkdir "${home}/gone" && cd "${home}/gone" && rmdir "${home}/gone" && exec "$@"`,
    'sh',
  ]
  const [listened, connected, absolute] = await outcomes(
    t,
    [{ listen: 's' }, { connect: 's' }, { listen: `${home}/s` }],
    shell,
  )
  t.is((listened as { code: string }).code, 'ENOENT')
  t.is((connected as { code: string }).code, 'ENOENT')
  t.is(absolute, 'ok')
  t.deepEqual(readdirSync(home), ['s'])
})
