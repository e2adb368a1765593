import { fileURLToPath } from 'node:url'
import test from 'ava'
import { directory } from '../helpers/sockets.js'
import { answer, Program } from '../helpers/program.js'

interface Outcome {
  isSupported: boolean
  warnings: [code: string, message: string][]
  echo: string
  response: string
  kept: boolean
  codes: string[]
}

test('without the addon udsock/net and udsock/http use node:net, and the own API rejects', async t => {
  const program = fileURLToPath(new URL('../programs/fallback.js', import.meta.url))
  const env = { NAPI_RS_NATIVE_LIBRARY_PATH: '/missing.node' }
  const args = ['--no-warnings', program, directory(t)]
  const outcome = await answer<Outcome>(t, new Program(t, process.execPath, args, env))
  const { warnings, ...others } = outcome
  t.deepEqual(others, {
    isSupported: false,
    echo: 'echo',
    response: 'served',
    kept: true,
    codes: Array.from({ length: 3 }, () => 'ERR_UNSUPPORTED_PLATFORM'),
  })
  t.is(warnings.length, 1)
  const [code, message] = warnings[0]!
  t.is(code, 'UDSOCK_FALLBACK')
  t.true(message.includes('NAPI_RS_NATIVE_LIBRARY_PATH is /missing.node'), message)
})
