/** A controller whose signal counts its listeners. */
export function countedSignal(): { controller: AbortController; signal: AbortSignal; listeners(): number } {
  const controller = new AbortController()
  const { signal } = controller
  const { addEventListener, removeEventListener } = signal
  /** Whether each is called only once. */
  const listeners = new Map<unknown, boolean>()
  addEventListener.call(signal, 'abort', () => {
    for (const [listener, isOnce] of listeners) if (isOnce) listeners.delete(listener)
  })
  signal.addEventListener = (...values: Parameters<typeof addEventListener>) => {
    const [, listener, options] = values
    listeners.set(listener, typeof options === 'object' && options.once === true)
    addEventListener.apply(signal, values)
  }
  signal.removeEventListener = (...values: Parameters<typeof removeEventListener>) => {
    listeners.delete(values[1])
    removeEventListener.apply(signal, values)
  }
  return { controller, signal, listeners: () => listeners.size }
}
