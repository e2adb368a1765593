import { connect } from '../../index.js'

/** A transport of pino's: the stream that its thread writes to. */
export default ({ path }) => connect(path, { writeLimit: Infinity })
