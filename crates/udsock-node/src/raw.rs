//! The functions that move bytes and connections, on Node-API itself: a function of napi's macros costs three to six times as
//! much.
//!
//! Each returns a number: a count or an id from 0 up, a negative errno, or INTERNAL after a panic. None calls into JavaScript
//! while the environment's state is borrowed. Each function object owns a count of its environment, so that none outlives it.

mod call;

use crate::arguments::{descriptor_of, rights_of, socket_type_of};
use crate::constants::{MOST_CHUNKS, MOST_RECORDS};
use crate::environment::{Environment, Open, Waker};
use crate::outcome::{self, errno_of};
use crate::processor;
use call::{Work, define, run};
use napi::sys;
use std::os::fd::{BorrowedFd, RawFd};
use std::ptr;
use std::rc::Rc;
use std::time::Duration;
use udsock::panics;
use udsock::transfer::MOST_DESCRIPTORS;
use udsock::{ConnectOptions, PeerCredentials};
use udsock_reactor::{Destination, Errno, Id, LARGEST_WHOLE, RawSlice, Role, Shutdown};

/// Bytes that `takeDescriptors` writes for each descriptor.
const DESCRIPTOR_SIZE: usize = size_of::<[f64; 2]>();

macro_rules! raw {
    ($($name:ident as $export:literal ($count:literal) = |$call:ident, $open:pat_param| $work:expr;)*) => {
        $(unsafe extern "C" fn $name(env: sys::napi_env, info: sys::napi_callback_info) -> sys::napi_value {
            let work: Work<$count> = |$call, $open| {
                panics::reach(stringify!($name));
                $work
            };
            // SAFETY: Node-API calls this for a function that `define` made.
            unsafe { run(env, info, work) }
        })*

        /// Makes an object of all raw functions.
        ///
        /// # Safety
        ///
        /// On the thread of `env`, which must be open and the one of `environment`.
        pub(crate) unsafe fn functions(env: sys::napi_env, environment: &Rc<Environment>) -> sys::napi_value {
            let mut object = ptr::null_mut();
            // SAFETY: by this function's contract.
            unsafe {
                sys::napi_create_object(env, &mut object);
                $(define(env, object, $export, $name, Rc::clone(environment));)*
            }
            object
        }
    };
}

raw! {
    // poll(microseconds): the number of events, plus MORE when another poll is due before the engine sleeps. Polls for so long
    // while there is no event; with 0 once.
    poll as c"poll" (1) = |call, Open { reactor, memory, .. }| {
        let limit = Duration::from_micros(call.whole(0, LARGEST_WHOLE)?);
        reactor.poll_for(memory.for_poll(), limit).map(outcome::polled)
    };
    // pollRest(): the same for what the last poll left. The kernel is not asked for new events.
    poll_rest as c"pollRest" (0) = |_call, Open { reactor, memory, .. }| {
        reactor.poll_rest(memory.for_poll()).map(outcome::polled)
    };
    // arm(): has the doorbell ring for the next event. libuv needs no arming.
    arm as c"arm" (0) = |_call, Open { waker, .. }| {
        if let Waker::Doorbell(doorbell) = waker {
            doorbell.arm()?;
        }
        Ok(0)
    };
    // keepAlive(on): whether the reactor keeps the process alive.
    keep_alive as c"keepAlive" (1) = |call, Open { waker, .. }| {
        let on = call.whole(0, 1)? == 1;
        match waker {
            Waker::Libuv(handle) => handle.keep_alive(on),
            Waker::Doorbell(doorbell) => doorbell.keep_alive(on),
        }
        Ok(0)
    };
    // callWhenClosing(): 0 where the event loop has no closing phase. Otherwise `closing` is called once in it: after the immediates that are
    // due, and before the loop waits. Calls that were asked for last come first.
    call_when_closing as c"callWhenClosing" (0) = |_call, Open { waker, .. }| {
        let Waker::Libuv(handle) = waker else { return Ok(0) };
        handle.call_when_closing();
        Ok(1)
    };
    // connect(address, discard, type): the connection's id, if it can be made at once; -EAGAIN: the listener's backlog is full, or earlier
    // callers wait for it. `discard` and `type` as for the driver's `connect`.
    try_connect as c"connect" (3) = |call, Open { reactor, .. }| {
        let address = call.address(0)?.ok_or(Errno::INVAL)?;
        let (discard, socket_type) = (call.whole(1, 1)? == 1, socket_type_of(Some(call.whole(2, LARGEST_WHOLE)? as f64))?);
        let options = ConnectOptions::new().refuse_rights(!discard).socket_type(socket_type);
        let fd = udsock::try_connect_with(&address, options).map_err(errno_of)?;
        reactor.add(fd, Role::Connection(socket_type, rights_of(discard))).map(|id| id.bits() as i64)
    };
    // readStart(id, own): 1 when something waits already. With 1 for `own`, every read goes into memory of the reader's.
    read_start as c"readStart" (2) = |call, Open { reactor, .. }| {
        let into = if call.whole(1, 1)? == 0 { Destination::Scratch } else { Destination::Own };
        reactor.read_start(call.id()?, into).map(i64::from)
    };
    // readStop(id): 1 when a poll is due for which nothing wakes the engine.
    read_stop as c"readStop" (1) = |call, Open { reactor, .. }| reactor.read_stop(call.id()?).map(i64::from);
    // read(id, memory): bytes; 0 at the end.
    read as c"read" (2) = |call, Open { reactor, .. }| {
        let memory = call.memory(1)?;
        // SAFETY: looked up in this call.
        unsafe { reactor.read_raw(call.id()?, memory) }.map(outcome::received)
    };
    // hasInput(id): 1 when a read would find bytes, an end or an error.
    has_input as c"hasInput" (1) = |call, Open { reactor, .. }| reactor.has_input(call.id()?).map(i64::from);
    // write(id, chunk, start, end): bytes that the kernel took.
    write as c"write" (4) = |call, Open { reactor, .. }| {
        // SAFETY: nothing between here and the write can run JavaScript.
        let bytes = unsafe { call.bytes(1, call.length(2)?, call.length(3)?) }?;
        // SAFETY: looked up in this call.
        unsafe { reactor.write_raw(call.id()?, &[bytes]) }.map(outcome::sent)
    };
    // writev(id, chunks, lengths, count, skip): bytes that the kernel took. The first `skip` bytes were sent before.
    writev as c"writev" (5) = |call, Open { reactor, .. }| {
        let count = call.length(3)?.min(MOST_CHUNKS as usize);
        let mut skip = call.length(4)?;
        let mut slices = [RawSlice::EMPTY; MOST_CHUNKS as usize];
        for (position, slice) in (0_u32..).zip(slices.iter_mut().take(count)) {
            // SAFETY: nothing between here and the write can run JavaScript.
            *slice = unsafe { call.chunk([1, 2], position, skip) }?;
            skip = 0;
        }
        let slices = slices.get(..count).unwrap_or_default();
        // SAFETY: looked up in this call.
        unsafe { reactor.write_raw(call.id()?, slices) }.map(outcome::sent)
    };
    // writeWith(id, chunk, start, end, descriptors, count): the same as `write`, with held descriptors, which are released with the
    // first byte that the kernel takes.
    write_with as c"writeWith" (6) = |call, Open { reactor, .. }| {
        let descriptors = call.list([4, 5], MOST_DESCRIPTORS, Id::from_number)?;
        // SAFETY: nothing between here and the write can run JavaScript.
        let bytes = unsafe { call.bytes(1, call.length(2)?, call.length(3)?) }?;
        // SAFETY: looked up in this call.
        unsafe { reactor.write_with_raw(call.id()?, &[bytes], &descriptors) }.map(outcome::sent)
    };
    // writeLent(id, chunk, start, end, numbers, count): the same as `write`, with open descriptors of these numbers, which stay open.
    write_lent as c"writeLent" (6) = |call, Open { reactor, .. }| {
        let numbers = call.list([4, 5], MOST_DESCRIPTORS, descriptor_of)?;
        // SAFETY: borrowed for this system call alone; a number that is no open descriptor is EBADF.
        let lend = |&number: &RawFd| unsafe { BorrowedFd::borrow_raw(number) };
        let descriptors: Vec<BorrowedFd<'_>> = numbers.iter().map(lend).collect();
        // SAFETY: nothing between here and the write can run JavaScript.
        let bytes = unsafe { call.bytes(1, call.length(2)?, call.length(3)?) }?;
        // SAFETY: looked up in this call.
        unsafe { reactor.write_lent_raw(call.id()?, &[bytes], &descriptors) }.map(outcome::sent)
    };
    // closeDescriptor(id): closes a held descriptor, on another thread.
    close_descriptor as c"closeDescriptor" (1) =
        |call, Open { reactor, .. }| reactor.descriptors().close(call.id()?).map(|()| 0);
    // takeDescriptors(id, memory): how many descriptors came with the oldest read that brought some, or one of the DESCRIPTORS numbers;
    // 0 when there are none. Writes two doubles for each, its id and its number.
    take_descriptors as c"takeDescriptors" (2) = |call, Open { reactor, .. }| {
        let memory = call.memory(1)?;
        if memory.len() < MOST_DESCRIPTORS * DESCRIPTOR_SIZE {
            return Err(Errno::INVAL);
        }
        let mut index = 0;
        let taken = reactor.take_descriptors(call.id()?, |id, number| {
            let place = memory.cast::<u8>().wrapping_add(index * DESCRIPTOR_SIZE).cast::<[f64; 2]>();
            // SAFETY: looked up in this call, and no message has more than MOST_DESCRIPTORS.
            unsafe { place.write_unaligned([id.bits() as f64, f64::from(number)]) };
            index += 1;
        });
        taken.map(outcome::taken_descriptors)
    };
    // sendRecords(id, memory, bounds, first, count, to): records that the kernel took. `bounds` has two 32-bit integers for each record, where
    // it begins and ends in `memory`; `first` and `count` count records. `to`: the address of their receiver, or undefined.
    send_records as c"sendRecords" (6) = |call, Open { reactor, .. }| {
        let (first, count) = (call.length(3)?, call.length(4)?.min(MOST_RECORDS as usize));
        let mut records = [RawSlice::EMPTY; MOST_RECORDS as usize];
        let records = records.get_mut(..count).unwrap_or_default();
        // SAFETY: nothing between here and the send can run JavaScript.
        unsafe { call.records([1, 2], first, records) }?;
        let to = call.address(5)?;
        // SAFETY: looked up in this call.
        unsafe { reactor.send_records_raw(call.id()?, records, to.as_ref()) }.map(outcome::sent_records)
    };
    // sendRecordWith(id, record, start, end, descriptors, count, to): 1 when the kernel took the record, with held descriptors, which are
    // released then. `to` as for `sendRecords`.
    send_record_with as c"sendRecordWith" (7) = |call, Open { reactor, .. }| {
        let descriptors = call.list([4, 5], MOST_DESCRIPTORS, Id::from_number)?;
        let to = call.address(6)?;
        // SAFETY: nothing between here and the send can run JavaScript.
        let record = unsafe { call.bytes(1, call.length(2)?, call.length(3)?) }?;
        // SAFETY: looked up in this call.
        unsafe { reactor.send_record_with_raw(call.id()?, record, &descriptors, to.as_ref()) }
            .map(outcome::sent_records)
    };
    // accept(id): the new connection's id, or one of the ACCEPT numbers.
    accept as c"accept" (1) = |call, Open { reactor, .. }| reactor.accept(call.id()?).map(outcome::accepted);
    // peer(id): writes uid, gid and pid (0: not known) to the answer.
    peer as c"peer" (1) = |call, Open { reactor, memory, .. }| {
        let peer = PeerCredentials::of(reactor.fd(call.id()?)?).map_err(errno_of)?;
        memory.answer([peer.uid as i32, peer.gid as i32, peer.pid.unwrap_or(0) as i32, 0]);
        Ok(0)
    };
    // shutdown(id, how): 0 the read side, 1 the write side.
    shutdown as c"shutdown" (2) = |call, Open { reactor, .. }| {
        let how = if call.whole(1, 1)? == 0 { Shutdown::Read } else { Shutdown::Write };
        reactor.shutdown(call.id()?, how).map(|()| 0)
    };
    // close(id): -EBADF when it names no open socket; 1 when a poll is due, for listeners that waited for a descriptor.
    close as c"close" (1) = |call, Open { reactor, .. }| reactor.close(call.id()?).map(i64::from);
    // threadTime(): nanoseconds of processor time that this thread has used.
    thread_time as c"threadTime" (0) = |_call, _| Ok(processor::thread_time());
    // processors(): how many this process may use.
    processors as c"processors" (0) = |_call, _| Ok(processor::processors());
    // crowd(): by how many threads the machine has more to run than processors.
    crowd as c"crowd" (0) = |_call, _| Ok(processor::crowd());
}
