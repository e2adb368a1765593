/**
 * The members by which the package's own modules use a socket. They are symbols, so a property or method of the user never collides with one.
 */

/** Receives an event of the engine. */
export const onEvent = Symbol('onEvent')
/** Restarts the timer of `setTimeout`, because bytes were sent or received. */
export const touch = Symbol('touch')
/** The timer of `setTimeout`, once it was used. */
export const idleTimer = Symbol('idleTimer')
/** Makes the error for a failed system call. */
export const callError = Symbol('callError')
/** The handle of the socket's connection. */
export const handleOf = Symbol('handle')
/** Prepares a socket that has no connection for one. */
export const prepare = Symbol('prepare')
/** Gives the socket its connection. */
export const connectTo = Symbol('connectTo')
/** Ends the readable side, because the peer has ended. */
export const endReading = Symbol('endReading')
/** Reports that a failure waits for a reader that does not read. */
export const onStall = Symbol('onStall')
/** Ends a socket that does not read and whose peer has gone. */
export const hangUp = Symbol('hangUp')
/** Returns the error of writes that were unsent when the socket closed. */
export const unsentError = Symbol('unsentError')
/** Calls back for the writes that were unsent when the socket closed. */
export const reportUnsent = Symbol('reportUnsent')
/** Bytes that were handed over to the writer. */
export const bytesQueued = Symbol('bytesQueued')

/** The `_write` and `_writev` of the package's class, which a subclass or the user may have replaced. */
export const ownWrites = Symbol('ownWrites')

/** Writes a message behind its length. FramedSocket takes sockets of any copy of the package, which all have this one. */
export const writeFrame: unique symbol = Symbol.for('udsock.writeFrame')
/** Returns how many bytes a FramedSocket has taken from its socket and not delivered. */
export const heldBytes: unique symbol = Symbol.for('udsock.heldBytes')
/** Returns whether bytes, an end or an error of the peer wait, in the kernel or in the engine. */
export const hasInput = Symbol('hasInput')
/** Ends a Descriptor's ownership; returns the id by which the addon holds the descriptor. */
export const takeDescriptor = Symbol('takeDescriptor')
/** What the socket of `udsock/dgram` uses of the DatagramSocket that it has. */
export const partsOf = Symbol('parts')
/** How many messages have arrived and were sent. */
export const messageCount = Symbol('messageCount')
/** The error with which a socket that is no stream was destroyed. */
export const failureOf = Symbol('failureOf')
