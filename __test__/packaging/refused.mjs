// Prints why the addon is not loaded.
import { connect } from 'udsock'

connect('/nowhere').catch(({ code, message }) => console.log(code, message))
