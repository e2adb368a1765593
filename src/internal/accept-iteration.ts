/** The loop over a listener's connections. */

/** What is used of a listener. */
interface Acceptable<S> {
  readonly closed: boolean
  accept(): Promise<S>
  close(): Promise<void>
}

/** Yields every connection until the listener closes, one `accept()` at a time. Leaving the loop closes the listener. */
export function eachAccepted<S>(listener: Acceptable<S>): AsyncIterator<S, undefined> & AsyncIterable<S> {
  const done = { done: true as const, value: undefined }
  return {
    next: async () => {
      try {
        return { done: false as const, value: await listener.accept() }
      } catch (error) {
        if (listener.closed) return done
        throw error
      }
    },
    return: async () => {
      await listener.close()
      return done
    },
    [Symbol.asyncIterator]() {
      return this
    },
  }
}
