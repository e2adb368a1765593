// The contract of a writable stream, as Node's own code and the field's libraries use it: node:net's socket is the measure.
import { pattern, turns } from '../helpers/streams.js'
import { bytes, type Chunk, chunks, contract, large } from './writable-helpers.js'

/** Chunks of text as they would come, and longer ones than are copied. */
const texts: Record<string, [BufferEncoding, string]> = {
  utf8: ['utf8', 'grün \u{1f600} \ud800 '],
  latin1: ['latin1', 'gr\xfcn \u{1f600}'],
  binary: ['binary', 'gr\xfcn'],
  ascii: ['ascii', 'gr\xfcn'],
  hex: ['hex', '00ff68'],
  base64: ['base64', 'Z3LDvG4='],
  base64url: ['base64url', 'Z3LDvG4'],
  utf16le: ['utf16le', 'grün \u{1f600}'],
  ucs2: ['ucs2', 'grün'],
}

for (const [name, [encoding, text]] of Object.entries(texts)) {
  const long = text.repeat(encoding.startsWith('base64') ? 1 : 30_000)
  const expected = Buffer.concat([text, long, text, text].map(one => bytes(one, encoding)))
  for (const state of ['connected', 'connecting'] as const)
    contract(
      `write(text, '${encoding}') sends ${name} as Buffer.from() has it`,
      async run => {
        const written = new Promise(resolve => {
          run.socket.write(text, encoding)
          run.socket.write(long, encoding)
          run.socket.setDefaultEncoding(encoding)
          run.socket.write(text, resolve)
          run.socket.end(text)
        })
        const received = await run.received()
        await written
        return received
      },
      { expected, state },
    )
  contract(
    `_write(text, '${encoding}') sends ${name} as Buffer.from() has it`,
    async run => {
      const receiving = run.received()
      for (const one of [text, long, text, text]) await run.write(one, encoding)
      run.socket.end()
      return receiving
    },
    { expected },
  )
}

for (const state of ['connected', 'connecting'] as const) {
  contract(
    'chunks that are no bytes, and encodings that there are not, are refused',
    async run => {
      const { socket } = run
      for (const chunk of [null, undefined, 5, true, {}, [], Symbol('chunk'), new ArrayBuffer(1)])
        run.attempt(() => socket.write(chunk as never))
      for (const encoding of ['nothing', 5, {}]) run.attempt(() => socket.write('text', encoding as never))
      run.attempt(() => socket.setDefaultEncoding('nothing' as never))
      run.attempt(() => socket.write(bytes('a'), 'buffer' as never))
      run.attempt(() => socket.write(bytes('b'), 'nothing' as never))
      run.attempt(() => socket.end('c', 'hex'))
      socket.end()
      return run.received()
    },
    { state },
  )

  contract(
    'empty chunks send nothing, and their callbacks keep their place',
    async run => {
      const { socket } = run
      socket.write('', run.noted('1'))
      socket.write('a', run.noted('2'))
      socket.write(Buffer.alloc(0), run.noted('3'))
      socket.write(new Uint8Array(0))
      socket.write('b', run.noted('4'))
      socket.write('', 'hex', run.noted('5'))
      socket.end('', run.noted('ended'))
      run.follow('finish')
      return run.received()
    },
    { expected: bytes('ab'), state },
  )

  contract(
    'views are sent as the bytes that they are',
    async run => {
      const memory = new Uint8Array(pattern(64, 5)).buffer
      for (const view of [
        new Uint16Array(memory, 2, 4),
        new DataView(memory, 7, 9),
        new Float64Array(memory, 8, 2),
        new Uint8ClampedArray(memory, 1, 3),
      ])
        run.attempt(() => run.socket.write(view as unknown as Uint8Array))
      run.socket.end()
      return run.received()
    },
    { state },
  )

  contract(
    'cork() nests: only the last uncork() releases',
    async run => {
      const { socket } = run
      const counts = (): unknown[] => [
        socket.writableCorked,
        socket.writableLength,
        socket._writableState.length,
      ]
      socket.cork()
      socket.write('a', run.noted('a'))
      socket.cork()
      socket.write('b', run.noted('b'))
      run.note(counts())
      socket.uncork()
      run.note(counts())
      socket.write('c', run.noted('c'))
      run.note(counts())
      socket.uncork()
      run.note(socket.writableCorked)
      socket.uncork()
      run.note(socket.writableCorked)
      socket.write('d', run.noted('d'))
      const receiving = run.received()
      await (await run.peer, turns())
      socket.cork()
      socket.write('e')
      socket.end('f')
      run.note(socket.writableCorked)
      return receiving
    },
    { expected: bytes('abcdef'), state },
  )

  contract(
    "node:http's way to uncork releases what was corked several times",
    async run => {
      const { socket } = run
      for (let count = 0; count < 3; count++) socket.cork()
      socket.write('head', run.noted('head'))
      socket.write(chunks[6]!, run.noted('body'))
      socket._writableState.corked = 1
      socket.uncork()
      run.note(socket.writableCorked)
      socket.write('tail', run.noted('tail'))
      const receiving = run.received()
      socket.end(run.noted('ended'))
      return receiving
    },
    { expected: Buffer.concat([bytes('head'), chunks[6]!, bytes('tail')]), state },
  )

  contract(
    'a write that throws under a cork holds back nothing else',
    async run => {
      const { socket } = run
      socket.cork()
      socket.write('a')
      run.attempt(() => socket.write(5 as never))
      socket.write('b')
      socket.uncork()
      socket.cork()
      run.attempt(() => socket.end(5 as never))
      run.note(socket.writableCorked)
      socket.uncork()
      socket.end('c')
      return run.received()
    },
    { expected: bytes('abc'), state },
  )

  const ends: Record<string, [Chunk | undefined, BufferEncoding | undefined]> = {
    'end(callback)': [undefined, undefined],
    'end(text, callback)': ['text', undefined],
    'end(text, encoding, callback)': ['746578', 'hex'],
    'end(buffer, callback)': [bytes('buffer'), undefined],
    'end(large buffer, callback)': [large, undefined],
  }
  for (const [name, [chunk, encoding]] of Object.entries(ends))
    contract(
      `${name} calls back after what was written before, and 'finish'`,
      async run => {
        const { socket } = run
        run.follow('finish')
        socket.write('before', run.noted('written'))
        const ended = new Promise<void>(resolve => {
          const done = (error?: Error | null): void => {
            run.noted('ended')(error)
            resolve()
          }
          if (chunk === undefined) socket.end(done)
          else if (encoding === undefined) socket.end(chunk, done)
          else socket.end(chunk as string, encoding, done)
        })
        run.note(socket.writableEnded, socket.writable)
        const received = await run.received()
        await ended
        run.note(socket.writableFinished, socket.writableLength)
        return received
      },
      {
        expected: Buffer.concat([
          bytes('before'),
          typeof chunk === 'string' ? bytes(chunk, encoding) : Buffer.from(chunk ?? []),
        ]),
        state,
      },
    )

  contract(
    "drain follows a write that was too much, before that write's callback",
    async run => {
      const { socket } = run
      run.follow('drain')
      run.note(socket.write(large, run.noted('large')))
      run.note(socket.writableNeedDrain)
      const draining = new Promise(resolve => socket.once('drain', resolve))
      const receiving = run.received()
      await draining
      run.note(socket.writableNeedDrain, socket.writableLength, socket.write('more', run.noted('more')))
      socket.end()
      return receiving
    },
    { expected: Buffer.concat([large, bytes('more')]), state },
  )

  contract(
    'writableLength and _writableState.length count the chunks whose callbacks are still to come',
    async run => {
      const { socket } = run
      const counts = (): unknown[] => [socket.writableLength, socket._writableState.length]
      let left = 0
      const write = (chunk: Buffer): void => {
        left += chunk.length
        socket.write(chunk, () => (left -= chunk.length))
      }
      write(large)
      run.note(counts())
      for (const chunk of chunks) write(chunk)
      run.note(counts())
      const receiving = run.received()
      await new Promise(resolve => socket.once('drain', resolve))
      await turns()
      run.note(counts(), left)
      socket.end()
      return receiving
    },
    { expected: Buffer.concat([large, ...chunks]), state },
  )
}

contract('what a turn wrote for a peer with room is no longer counted in the next turn', async run => {
  const { socket } = run
  for (let round = 0; round < 5; round++) {
    for (const chunk of chunks.slice(0, 4)) socket.write(chunk, () => {})
    socket.cork()
    socket.write('head')
    socket.write('body', () => {})
    socket.uncork()
    await turns(2)
    run.note(socket.writableLength, socket._writableState.length)
  }
  socket.end()
  return run.received()
})
