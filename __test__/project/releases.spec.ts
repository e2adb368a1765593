import test from 'ava'
import { newestOf } from '../../scripts/releases.js'

test('the newest release is the highest version, whatever the order, and no prerelease', t => {
  t.is(newestOf(['26.9.0', '26.12.1', '26.10.0']), '26.12.1')
  t.is(newestOf(['20.8.1', '20.20.2', '20.8.0']), '20.20.2')
  t.is(newestOf(['1.4.5']), '1.4.5')
  t.is(newestOf(['26.12.1', '27.0.0-rc.1', '26.12.1-1']), '26.12.1')
  t.is(newestOf([]), undefined)
})
