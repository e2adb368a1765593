import { type ExecutionContext } from 'ava'
import { connect, type UnixListener, type UnixSocket } from '../../index.js'

/** A client of the listener, destroyed after the test. */
export async function connected(t: ExecutionContext, listener: UnixListener): Promise<UnixSocket> {
  const socket = await connect(listener.path)
  t.teardown(() => socket.destroy())
  return socket
}

/** The next connection of the listener, destroyed after the test. */
export async function accepted(t: ExecutionContext, listener: UnixListener): Promise<UnixSocket> {
  const socket = await listener.accept()
  t.teardown(() => socket.destroy())
  return socket
}

/** Returns the system call and the code of the error with which `promise` rejects. */
export async function failureOf(promise: Promise<unknown>): Promise<string> {
  return await promise.then(
    () => 'no error',
    ({ syscall, code }: NodeJS.ErrnoException) => `${syscall} ${code}`,
  )
}
