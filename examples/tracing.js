// Spans of OpenTelemetry for `connect()`: `npm install @opentelemetry/api`, and import this file before the first connection
import { tracingChannel } from 'node:diagnostics_channel'
import { SpanStatusCode, trace } from '@opentelemetry/api'

const tracer = trace.getTracer('udsock')
const spans = new WeakMap()
tracingChannel('udsock:connect').subscribe({
  start(call) {
    const attributes = { 'network.transport': 'unix', 'network.peer.address': String(call.path) }
    spans.set(call, tracer.startSpan('connect', { attributes }))
  },
  error(call) {
    spans.get(call)?.recordException(call.error)
    spans.get(call)?.setStatus({ code: SpanStatusCode.ERROR })
  },
  asyncEnd(call) {
    spans.get(call)?.end()
  },
})
