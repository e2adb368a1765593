import test from 'ava'
import { readdirSync, unlinkSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { runInNewContext } from 'node:vm'
import { abstractName, connect, isUnixSocketPath, listen, type UnixSocketPath } from '../../index.js'
import { descriptors, directory, receiveAll } from '../helpers/sockets.js'

const bytes = (text: string): Uint8Array => Uint8Array.from(Buffer.from(text, 'latin1'))

function detached(): Uint8Array {
  const array = new Uint8Array([0x2f, 0x61])
  structuredClone(array, { transfer: [array.buffer] })
  return array
}

function trap(): never {
  throw new Error('a trap was sprung')
}

const trapping = {
  get: trap,
  has: trap,
  getPrototypeOf: trap,
  getOwnPropertyDescriptor: trap,
  ownKeys: trap,
}

function revoked(): object {
  const { proxy, revoke } = Proxy.revocable({}, {})
  revoke()
  return proxy
}

function instanceNamed(name: unknown): object {
  return { constructor: { name } }
}

const accepted: Record<string, unknown> = {
  'an absolute string': '/tmp/s',
  'a relative string': 's',
  'a string that begins with an @, which is a file like any other': '@s',
  'a string of 108 bytes': `/${'a'.repeat(107)}`,
  'a string of 54 characters that are 107 bytes': `/${'ä'.repeat(53)}`,
  'a pair of surrogates': '/tmp/\u{1f600}',
  'a file: URL': new URL('file:///tmp/s'),
  'a file: URL of the local host': new URL('file://localhost/tmp/s'),
  'a file: URL with escapes': new URL('file:///tmp/a%20b%C3%A4%25'),
  'bytes of a path': bytes('/tmp/s'),
  'bytes that are not UTF-8': bytes('/tmp/\xff\xfe'),
  'a Buffer': Buffer.from('/tmp/s'),
  'a view in the middle of a buffer': bytes('\0/tmp/s\0').subarray(1, 7),
  'bytes of another realm': runInNewContext('Uint8Array.of(0x2f, 0x61)'),
  'shared memory': new Uint8Array(new SharedArrayBuffer(4)),
  'an abstract name': abstractName('name'),
  'the empty abstract name': bytes('\0'),
  'an abstract name of 107 bytes': bytes(`\0${'a'.repeat(107)}`),
  'an abstract name with zero bytes in it': bytes('\0a\0b\0'),
}

const refused: Record<string, [value: unknown, code: string]> = {
  'an empty string': ['', 'ERR_INVALID_ARG_VALUE'],
  'no bytes': [new Uint8Array(0), 'ERR_INVALID_ARG_VALUE'],
  'a detached array': [detached(), 'ERR_INVALID_ARG_VALUE'],
  'a string that begins with a NUL': ['\0name', 'ERR_INVALID_ARG_VALUE'],
  'a string that ends with a NUL': ['/tmp/s\0', 'ERR_INVALID_ARG_VALUE'],
  'bytes with a zero within': [bytes('/tmp/\0s'), 'ERR_INVALID_ARG_VALUE'],
  'half of a surrogate pair': ['/tmp/\ud800', 'ERR_INVALID_ARG_VALUE'],
  'the other half': ['\udc00', 'ERR_INVALID_ARG_VALUE'],
  'halves in the wrong order': ['/\udc00\ud800', 'ERR_INVALID_ARG_VALUE'],
  'a string of 109 bytes': [`/${'a'.repeat(108)}`, 'ERR_INVALID_ARG_VALUE'],
  'a string of 55 characters that are 109 bytes': [`/${'ä'.repeat(54)}`, 'ERR_INVALID_ARG_VALUE'],
  '109 bytes': [bytes(`/${'a'.repeat(108)}`), 'ERR_INVALID_ARG_VALUE'],
  'an abstract name of 108 bytes': [bytes(`\0${'a'.repeat(108)}`), 'ERR_INVALID_ARG_VALUE'],
  'a file: URL of 109 bytes': [new URL(`file:///${'a'.repeat(108)}`), 'ERR_INVALID_ARG_VALUE'],
  'a file: URL with a NUL': [new URL('file:///tmp/%00s'), 'ERR_INVALID_ARG_VALUE'],
  'an http: URL': [new URL('http://localhost/tmp/s'), 'ERR_INVALID_ARG_VALUE'],
  'a unix: URL': [new URL('unix:///tmp/s'), 'ERR_INVALID_ARG_VALUE'],
  'a file: URL of another host': [new URL('file://elsewhere/tmp/s'), 'ERR_INVALID_FILE_URL_HOST'],
  'a file: URL with an escaped slash': [new URL('file:///tmp/a%2fb'), 'ERR_INVALID_FILE_URL_PATH'],
  undefined: [undefined, 'ERR_INVALID_ARG_TYPE'],
  null: [null, 'ERR_INVALID_ARG_TYPE'],
  'a number': [1, 'ERR_INVALID_ARG_TYPE'],
  NaN: [Number.NaN, 'ERR_INVALID_ARG_TYPE'],
  'a bigint': [1n, 'ERR_INVALID_ARG_TYPE'],
  'a boolean': [true, 'ERR_INVALID_ARG_TYPE'],
  'a symbol': [Symbol('/tmp/s'), 'ERR_INVALID_ARG_TYPE'],
  'a function': [() => '/tmp/s', 'ERR_INVALID_ARG_TYPE'],
  'an array': [['/tmp/s'], 'ERR_INVALID_ARG_TYPE'],
  'an object': [{ path: '/tmp/s' }, 'ERR_INVALID_ARG_TYPE'],
  'an object without a prototype': [Object.create(null), 'ERR_INVALID_ARG_TYPE'],
  'an object that becomes a string': [{ toString: () => '/tmp/s' }, 'ERR_INVALID_ARG_TYPE'],
  'a String object': [Object('/tmp/s'), 'ERR_INVALID_ARG_TYPE'],
  'an ArrayBuffer': [new ArrayBuffer(2), 'ERR_INVALID_ARG_TYPE'],
  'a DataView': [new DataView(new ArrayBuffer(2)), 'ERR_INVALID_ARG_TYPE'],
  'an Int8Array': [Int8Array.of(0x2f, 0x61), 'ERR_INVALID_ARG_TYPE'],
  'a Uint16Array': [Uint16Array.of(0x2f, 0x61), 'ERR_INVALID_ARG_TYPE'],
  'a promise of a path': [Promise.resolve('/tmp/s'), 'ERR_INVALID_ARG_TYPE'],
  'a Proxy whose every trap throws': [new Proxy({}, trapping), 'ERR_INVALID_ARG_TYPE'],
  'a function behind such a Proxy': [new Proxy(() => {}, trapping), 'ERR_INVALID_ARG_TYPE'],
  'a Proxy whose reads throw': [new Proxy({}, { get: trap }), 'ERR_INVALID_ARG_TYPE'],
  'a revoked Proxy': [revoked(), 'ERR_INVALID_ARG_TYPE'],
  'a Proxy of bytes': [new Proxy(bytes('/tmp/s'), {}), 'ERR_INVALID_ARG_TYPE'],
  'a Proxy of a URL': [new Proxy(new URL('file:///tmp/s'), {}), 'ERR_INVALID_ARG_TYPE'],
  'what only inherits from Uint8Array': [Object.create(Uint8Array.prototype), 'ERR_INVALID_ARG_TYPE'],
  'what only inherits from URL': [Object.create(URL.prototype), 'ERR_INVALID_ARG_TYPE'],
  'an object whose constructor throws': [
    Object.defineProperty({}, 'constructor', { get: trap }),
    'ERR_INVALID_ARG_TYPE',
  ],
  'an object whose class is named by a symbol': [instanceNamed(Symbol('name')), 'ERR_INVALID_ARG_TYPE'],
  'an object whose class is named by what throws': [
    instanceNamed({ toString: trap }),
    'ERR_INVALID_ARG_TYPE',
  ],
}

for (const [kind, value] of Object.entries(accepted)) {
  test(`a path: ${kind}`, t => {
    t.true(isUnixSocketPath(value))
  })
}

for (const [kind, [value, code]] of Object.entries(refused)) {
  test(`no path: ${kind}`, async t => {
    t.false(isUnixSocketPath(value))
    const path = value as UnixSocketPath
    for (const attempt of [() => connect(path), () => listen(path)]) {
      const error = await t.throwsAsync<NodeJS.ErrnoException>(attempt)
      t.is(error?.code, code)
      t.is(error?.errno, undefined)
    }
  })
}

test('a path that is too long is refused with its length and the limit', async t => {
  await t.throwsAsync(connect(`/${'a'.repeat(199)}`), { message: /200 bytes.* 108/ })
  await t.throwsAsync(listen(bytes(`/${'a'.repeat(199)}`)), { message: /200 bytes.* 108/ })
  await t.throwsAsync(listen(bytes(`\0${'a'.repeat(199)}`)), { message: /199 bytes.* 107/ })
  const length = Buffer.byteLength(process.cwd()) + 1 + 200
  await t.throwsAsync(connect('a'.repeat(200)), { message: new RegExp(`${length} bytes.* 108`) })
})

test('a NUL is refused at every position of a string and of bytes, and no file appears', async t => {
  const home = directory(t)
  const name = join(home, 'name')
  for (let position = 0; position <= name.length; position++) {
    const path = `${name.slice(0, position)}\0${name.slice(position)}`
    const raw = bytes(path)
    t.false(isUnixSocketPath(path))
    await t.throwsAsync(connect(path), { code: 'ERR_INVALID_ARG_VALUE' })
    await t.throwsAsync(listen(path), { code: 'ERR_INVALID_ARG_VALUE' })
    if (position === 0) continue
    t.false(isUnixSocketPath(raw))
    await t.throwsAsync(connect(raw), { code: 'ERR_INVALID_ARG_VALUE' })
    await t.throwsAsync(listen(raw), { code: 'ERR_INVALID_ARG_VALUE' })
  }
  t.deepEqual(readdirSync(home), [])
})

test('half of a surrogate pair is refused at every position, and no file appears', async t => {
  const home = directory(t)
  const name = join(home, 'name')
  for (let position = 0; position <= name.length; position++) {
    for (const half of ['\ud800', '\udbff', '\udc00', '\udfff']) {
      const path = `${name.slice(0, position)}${half}${name.slice(position)}`
      await t.throwsAsync(connect(path), { code: 'ERR_INVALID_ARG_VALUE' })
      await t.throwsAsync(listen(path), { code: 'ERR_INVALID_ARG_VALUE' })
    }
  }
  t.deepEqual(readdirSync(home), [])
})

test('abstractName puts a zero byte before a name of 0 to 107 bytes', t => {
  for (let length = 0; length <= 107; length++) {
    const expected = Uint8Array.from([0, ...Array<number>(length).fill(0x61)])
    t.deepEqual(abstractName('a'.repeat(length)), expected)
    t.deepEqual(abstractName(Buffer.from('a'.repeat(length))), expected)
  }
})

test('abstractName refuses more than 107 bytes', t => {
  for (const length of [108, 109, 300, 65_536]) {
    t.throws(() => abstractName('a'.repeat(length)), { instanceOf: RangeError, code: 'ERR_OUT_OF_RANGE' })
    t.throws(() => abstractName(new Uint8Array(length)), { code: 'ERR_OUT_OF_RANGE' })
  }
  t.is(abstractName('ä'.repeat(53)).length, 107)
  t.throws(() => abstractName('ä'.repeat(54)), { code: 'ERR_OUT_OF_RANGE' })
})

test('abstractName encodes a string as UTF-8, and takes bytes as they are', t => {
  t.deepEqual(abstractName('ä\0\u{1f600}'), bytes('\0\xc3\xa4\0\xf0\x9f\x98\x80'))
  t.deepEqual(abstractName(bytes('\0\xff\0')), bytes('\0\0\xff\0'))
})

test('abstractName returns a copy of its own, in a buffer that holds nothing else', t => {
  const name = Buffer.from('name')
  const path = abstractName(name)
  name.fill(0)
  t.deepEqual(path, bytes('\0name'))
  t.is(path.buffer.byteLength, 5)
})

test('abstractName refuses what is neither a string nor bytes', t => {
  const values = [
    undefined,
    null,
    1,
    1n,
    true,
    Symbol('name'),
    {},
    ['a'],
    new ArrayBuffer(1),
    new Proxy({}, trapping),
  ]
  for (const value of [...values, new Proxy(bytes('name'), {}), Object.create(Uint8Array.prototype)]) {
    t.throws(() => abstractName(value as string), { code: 'ERR_INVALID_ARG_TYPE' })
  }
  t.throws(() => abstractName('\ud800'), { code: 'ERR_INVALID_ARG_VALUE' })
})

/** Listens at `path`, passes a byte through, and closes; the directory must hold `name` and nothing else then. */
async function useAndRemove(home: string, name: Buffer, path: UnixSocketPath): Promise<Buffer[]> {
  const listener = await listen(path)
  const client = await connect(path)
  client.end('x')
  const server = await listener.accept()
  const received = await receiveAll(server)
  server.end()
  server.destroy()
  client.destroy()
  await listener.close()
  const names = readdirSync(home, { encoding: 'buffer' })
  unlinkSync(Buffer.concat([Buffer.from(home), Buffer.from('/'), name]))
  return [received, ...names]
}

for (const [form, of] of Object.entries({ string: String, bytes })) {
  test(`an absolute path of every length from 0 to 300, as ${form}, works up to 108 and is refused beyond`, async t => {
    t.timeout(30_000)
    const home = directory(t)
    for (let length = 0; length <= 300; length++) {
      const inside = length - home.length - 1
      const name = 'n'.repeat(Math.max(inside, 1))
      // Too short for the directory: a file that is not there.
      const path = inside > 0 ? `${home}/${name}` : `/${'n'.repeat(20)}`.slice(0, length)
      t.is(path.length, length)
      if (length === 0 || length > 108) {
        t.false(isUnixSocketPath(of(path)))
        await t.throwsAsync(connect(of(path)), { code: 'ERR_INVALID_ARG_VALUE' })
        await t.throwsAsync(listen(of(path)), { code: 'ERR_INVALID_ARG_VALUE' })
        t.deepEqual(readdirSync(home), [])
      } else if (inside > 0) {
        t.true(isUnixSocketPath(of(path)))
        const outcome = await useAndRemove(home, Buffer.from(name), of(path))
        t.deepEqual(outcome.map(String), ['x', name])
      } else if (length > 1) {
        await t.throwsAsync(connect(of(path)), { code: 'ENOENT' })
      }
    }
  })
}

const encodings: Record<string, [name: Uint8Array, path?: (home: string) => UnixSocketPath]> = {
  'bytes that are not UTF-8': [bytes('\xff\xfe\x80 \xc3')],
  'every byte but NUL and the slash': [Uint8Array.from({ length: 85 }, (_, index) => 0x80 + index)],
  'control characters': [bytes('\x01\n\r\t\x7f')],
  'a trailing space and dots': [bytes('.. . ')],
  'Unicode in a string': [Buffer.from('ä€\u{1f600}'), home => join(home, 'ä€\u{1f600}')],
  'a decomposed letter, which stays decomposed': [Buffer.from('a\u0308'), home => `${home}/a\u0308`],
  'a byte-order mark': [Buffer.from('\ufeffs'), home => `${home}/\ufeffs`],
  'a file: URL with a space': [Buffer.from('a b'), home => pathToFileURL(join(home, 'a b'))],
  'a file: URL with escapes': [Buffer.from('%#?&ä'), home => new URL(`file://${home}/%25%23%3F&%C3%A4`)],
  'a file: URL with what is not escaped': [Buffer.from('ä b'), home => new URL(`file://${home}/ä b`)],
}

for (const [kind, [name, make]] of Object.entries(encodings)) {
  test(`the file has exactly the name that was given: ${kind}`, async t => {
    const home = directory(t)
    const path = make?.(home) ?? Buffer.concat([Buffer.from(`${home}/`), name])
    const [received, ...names] = await useAndRemove(home, Buffer.from(name), path)
    t.is(String(received), 'x')
    t.deepEqual(names, [Buffer.from(name)])
    await t.throwsAsync(connect(path), { code: 'ENOENT' })
  })
}

test('a path given as bytes may be changed as soon as the call has returned', async t => {
  const home = directory(t)
  const path = Buffer.from(`${home}/before`)
  const listening = listen(path)
  path.fill('x')
  const listener = await listening
  t.teardown(() => listener.close())
  t.deepEqual(readdirSync(home), ['before'])
  t.deepEqual(listener.path, Uint8Array.from(Buffer.from(`${home}/before`)))
})

test.serial('refused paths leave no descriptor', async t => {
  // The first listen() starts the background thread, which stays.
  await t.throwsAsync(listen('/nowhere/s'), { code: 'ENOENT' })
  const before = descriptors()
  for (let round = 0; round < 100; round++) {
    for (const path of ['', '/nowhere/s', 'a'.repeat(300), '\0']) {
      await t.throwsAsync(connect(path))
      await t.throwsAsync(listen(path))
    }
  }
  t.is(descriptors(), before)
})
