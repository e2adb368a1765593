// mysql2 opposite a real MariaDB.
import mysql from 'mysql2/promise'
import { cases, happened } from '../cases.js'

const config = { socketPath: process.env.UDSOCK_DROP_IN_SERVER, user: 'root', database: 'mysql' }

async function connected(run, options) {
  const connection = await mysql.createConnection({ ...config, ...options })
  connection.on('error', () => {})
  run.defer(() => connection.destroy())
  return connection
}

await cases({
  'queries, prepared statements and errors': async run => {
    const connection = await connected(run)
    run.note((await connection.query('select 1 as one, ? as two', ['ü€']))[0])
    run.note((await connection.execute('select ? + 1 as n', [41]))[0][0].n)
    run.note(await connection.query('select from').catch(error => error.code))
    await connection.end()
  },
  'large values and many rows': async run => {
    const connection = await connected(run)
    const value = Buffer.alloc(3_000_000, '0123456789')
    run.note((await connection.query('select ? as v', [value]))[0][0].v.equals(value))
    run.note((await connection.query('select seq from seq_1_to_50000'))[0].length)
  },
  'five hundred queries in a queue': async run => {
    const connection = await connected(run)
    const all = await Promise.all(
      Array.from({ length: 500 }, (_, n) => connection.query('select ? as n', [n])),
    )
    return all.every(([rows], n) => rows[0].n === n)
  },
  'a pool': async run => {
    const pool = mysql.createPool({ ...config, connectionLimit: 4 })
    const all = await Promise.all(Array.from({ length: 100 }, (_, n) => pool.query('select ? as n', [n])))
    run.note(all.every(([rows], n) => rows[0].n === n))
    await pool.end()
  },
  'a stream of rows': async run => {
    const connection = await connected(run)
    const stream = connection.connection.query('select seq from seq_1_to_2000').stream({ highWaterMark: 5 })
    let sum = 0
    for await (const { seq } of stream) sum += seq
    return sum
  },
  'a connection that the server ends': async run => {
    const [one, two] = [await connected(run), await connected(run)]
    const failed = two.query('select sleep(20)').catch(error => error.code)
    await one.query(`kill connection ${two.threadId}`)
    return failed
  },
  'timeouts, a server that is not there, a user that is none': async run => {
    const connection = await connected(run)
    run.note(await connection.query({ sql: 'select sleep(1)', timeout: 60 }).catch(error => error.code))
    const missing = mysql.createConnection({ ...config, socketPath: run.path() })
    run.note(await missing.catch(error => [error.code, error.syscall]))
    const refused = mysql.createConnection({ ...config, user: 'stranger', password: 'x' })
    run.note(await refused.catch(error => error.code))
  },
  'events of a connection': async run => {
    const connection = await connected(run)
    run.follow('connection', connection.connection, ['end', 'error'])
    const ended = happened(connection.connection, 'end')
    await connection.end()
    await ended
  },
})
