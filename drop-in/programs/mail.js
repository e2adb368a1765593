// SMTP: a dialogue by lines, STARTTLS within it, and pipelined commands.
import nodemailer from 'nodemailer'
import { SMTPServer } from 'smtp-server'
import net from 'node:net'
import { bytes, cases, happened, once } from '../cases.js'
import { certificate } from '../certificate.js'

async function serving(run, options) {
  const mails = []
  const server = new SMTPServer({
    ...certificate,
    authOptional: true,
    disableReverseLookup: true,
    onData(stream, session, done) {
      void bytes(stream).then(all => {
        mails.push({
          size: all.length,
          secure: session.secure,
          to: session.envelope.rcptTo.map(({ address }) => address),
        })
        done()
      }, done)
    },
    ...options,
  })
  server.on('error', error => run.note('server', error.code))
  run.defer(() => server.close())
  server.listen(0)
  await once(server.server, 'listening')
  return { server, port: server.server.address().port, mails }
}

function transport(run, options) {
  const mailer = nodemailer.createTransport({
    host: 'localhost',
    tls: { rejectUnauthorized: false },
    ...options,
  })
  run.defer(() => mailer.close())
  return mailer
}

const onAuth = (auth, _session, done) =>
  done(auth.password === 'good' ? null : new Error('no'), { user: 'u' })

const mail = { from: 'a@example.org', to: ['b@example.org', 'c@example.org'], subject: 'x', text: 'body' }

await cases({
  'a mail, with STARTTLS': async run => {
    const { port, mails } = await serving(run)
    const { accepted, response } = await transport(run, { port }).sendMail(mail)
    run.note(accepted, response.slice(0, 3), mails[0].secure, mails[0].to)
  },
  'a mail without TLS': async run => {
    const { port, mails } = await serving(run, { disabledCommands: ['STARTTLS'] })
    await transport(run, { port, ignoreTLS: true }).sendMail(mail)
    return mails[0].secure
  },
  'a mail over TLS from the start': async run => {
    const { port, mails } = await serving(run, { secure: true })
    await transport(run, { port, secure: true }).sendMail(mail)
    return mails[0].secure
  },
  'a large attachment': async run => {
    const { port, mails } = await serving(run)
    const attachments = [{ filename: 'a', content: Buffer.alloc(1 << 20, 'x') }]
    await transport(run, { port }).sendMail({ ...mail, attachments })
    return mails[0].size > 1 << 20
  },
  'a pool sends twenty mails': async run => {
    const { port, mails } = await serving(run)
    const mailer = transport(run, { port, pool: true, maxConnections: 3 })
    await Promise.all(Array.from({ length: 20 }, () => mailer.sendMail(mail)))
    return mails.length
  },
  'a login that fails': async run => {
    const { port } = await serving(run, { onAuth, authOptional: false })
    const error = await transport(run, { port, auth: { user: 'u', pass: 'bad' } })
      .sendMail(mail)
      .catch(failed => failed)
    await transport(run, { port, auth: { user: 'u', pass: 'good' } }).sendMail(mail)
    return [error.code, error.responseCode]
  },
  'pipelined commands': async run => {
    const { port } = await serving(run)
    const client = net.connect(port)
    client.write('EHLO x\r\nNOOP\r\nRSET\r\nNOOP\r\nQUIT\r\n')
    const answer = (await bytes(client)).toString()
    return answer.split('\r\n').map(line => line.slice(0, 4))
  },
  'a connection that is dropped': async run => {
    const { port } = await serving(run, { onConnect: (_session, done) => done(new Error('not you')) })
    const error = await transport(run, { port })
      .sendMail(mail)
      .catch(failed => failed)
    return [error.code, error.responseCode]
  },
  'a server that waits too long': async run => {
    const server = run.keep(net.createServer())
    await once(server.listen(0), 'listening')
    const options = { port: server.address().port, greetingTimeout: 60 }
    const error = await transport(run, options)
      .sendMail(mail)
      .catch(failed => failed)
    return error.code
  },
  'close with clients that are connected': async run => {
    const { server, port } = await serving(run, { closeTimeout: 50 })
    const client = net.connect(port)
    client.on('error', () => {})
    await happened(client, 'data')
    const closed = new Promise(resolve => server.close(resolve))
    const answer = await bytes(client).catch(() => 'reset')
    run.note(answer.toString().slice(0, 3))
    await closed
  },
})
