// gRPC: its server and its client are node:http2 over sockets that it makes itself.
import grpc from '@grpc/grpc-js'
import { cases, pause, turns } from '../cases.js'

const plain = {
  requestSerialize: Buffer.from,
  requestDeserialize: String,
  responseSerialize: Buffer.from,
  responseDeserialize: String,
}
const method = (name, requestStream, responseStream) => ({
  path: `/test/${name}`,
  requestStream,
  responseStream,
  ...plain,
})
const service = {
  unary: method('unary', false, false),
  up: method('up', true, false),
  down: method('down', false, true),
  both: method('both', true, true),
}
const Client = grpc.makeGenericClientConstructor(service, 'test')

const handlers = {
  unary(call, done) {
    if (call.request === 'fail') done({ code: grpc.status.NOT_FOUND, details: 'fails' })
    else if (call.request !== 'hang') done(null, `got ${call.request.length}`)
  },
  up(call, done) {
    let size = 0
    call.on('data', text => (size += text.length))
    call.on('end', () => done(null, String(size)))
  },
  down(call) {
    for (let number = 0; number < 100; number++) call.write(String(number))
    call.end()
  },
  both(call) {
    call.on('data', text => call.write(text.toUpperCase()))
    call.on('end', () => call.end())
    call.on('error', () => {})
  },
}

async function serving(run, address) {
  const server = new grpc.Server()
  server.addService(service, handlers)
  run.defer(() => server.forceShutdown())
  await new Promise((resolve, reject) =>
    server.bindAsync(address, grpc.ServerCredentials.createInsecure(), error =>
      error ? reject(error) : resolve(),
    ),
  )
  return server
}

function connected(run, address) {
  const client = new Client(address, grpc.credentials.createInsecure())
  run.defer(() => client.close())
  return client
}

const asked = (client, request, options = {}) =>
  new Promise((resolve, reject) =>
    client.unary(request, new grpc.Metadata(), options, (error, answer) =>
      error ? reject(error) : resolve(answer),
    ),
  )

await cases({
  'a call': async run => {
    const address = `unix:${run.path()}`
    await serving(run, address)
    const client = connected(run, address)
    run.note(await asked(client, 'one'), await asked(client, 'x'.repeat(1 << 20)))
    run.note(await asked(client, 'fail').catch(error => [error.code, error.details]))
  },
  'streams in every direction': async run => {
    const address = `unix:${run.path()}`
    await serving(run, address)
    const client = connected(run, address)
    const up = new Promise((resolve, reject) => {
      const call = client.up((error, answer) => (error ? reject(error) : resolve(answer)))
      for (let count = 0; count < 50; count++) call.write('x'.repeat(10_000))
      call.end()
    })
    run.note(await up)
    const down = []
    for await (const text of client.down('go')) down.push(text)
    run.note(down.length, down.at(-1))
    const both = client.both()
    const answers = []
    both.on('data', text => answers.push(text))
    for (const text of ['a', 'b', 'c']) both.write(text)
    both.end()
    await new Promise(resolve => both.on('end', resolve))
    run.note(answers)
  },
  'fifty calls at once': async run => {
    const address = `unix:${run.path()}`
    await serving(run, address)
    const client = connected(run, address)
    const all = await Promise.all(Array.from({ length: 50 }, (_, n) => asked(client, 'x'.repeat(n + 1))))
    return all.every((answer, n) => answer === `got ${n + 1}`)
  },
  'a deadline, and a cancelled call': async run => {
    const address = `unix:${run.path()}`
    await serving(run, address)
    const client = connected(run, address)
    run.note(await asked(client, 'hang', { deadline: Date.now() + 60 }).catch(error => error.code))
    const cancelled = new Promise(resolve => {
      const call = client.unary('hang', error => resolve(error.code))
      setTimeout(() => call.cancel(), 20)
    })
    run.note(await cancelled)
  },
  'nobody listens': async run => {
    const client = connected(run, `unix:${run.path()}`)
    return asked(client, 'one').catch(error => error.code)
  },
  'a server that shuts down, and comes back': async run => {
    const path = run.path()
    const server = await serving(run, `unix:${path}`)
    const client = connected(run, `unix:${path}`)
    run.note(await asked(client, 'one'))
    await new Promise(resolve => server.tryShutdown(resolve))
    await turns(5)
    run.note(await asked(client, 'two').catch(error => error.code))
    await serving(run, `unix:${path}`)
    for (let round = 0; round < 100; round++) {
      const answer = await asked(client, 'three').catch(() => undefined)
      if (answer !== undefined) return answer
      await pause(50)
    }
    return 'never'
  },
})
