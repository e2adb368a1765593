//! Records without a reactor: what one receive and one send do.
#![cfg(any(target_os = "linux", target_os = "android"))]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test's failure is a panic")]

use std::io::{self, IoSlice};
use std::os::fd::{AsRawFd, OwnedFd};

use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, recv, send, socketpair};
use udsock::records::{
    MOST_RECEIVED, ReceivedRecords, RecordBatch, RecordPlaces, SentRecords, is_record_next, mark_records,
    send_raw,
};
use udsock::transfer::{RawSlice, Shutdown, shutdown};
use udsock::{
    Address, BindOptions, SocketType, autobind, bind_with, connect_datagrams, datagram_socket,
    disconnect_datagrams, pass_credentials,
};

fn pair() -> (OwnedFd, OwnedFd) {
    let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
    let pair = socketpair(AddressFamily::UNIX, rustix::net::SocketType::SEQPACKET, flags, None).unwrap();
    mark_records(&pair.1).unwrap();
    pair
}

fn put(fd: &OwnedFd, record: &[u8]) {
    assert_eq!(send(fd, record, SendFlags::NOSIGNAL).unwrap(), record.len());
}

fn send_records(fd: &OwnedFd, records: &[&[u8]], to: Option<&Address>) -> io::Result<SentRecords> {
    let slices: Vec<_> = records.iter().map(|record| IoSlice::new(record)).collect();
    // SAFETY: the slices are borrowed for the whole call.
    unsafe { send_raw(fd, RawSlice::of(&slices), to) }
}

/// Receives once, up to eight records of at most 64 bytes. Returns them as text, with `~` behind those that were cut.
fn receive(fd: &OwnedFd, socket_type: SocketType) -> (io::Result<ReceivedRecords>, Vec<String>) {
    let mut memory = [0; 512];
    let mut batch = RecordBatch::new();
    let places = RecordPlaces::of(&mut memory, 0, 64);
    let received = batch.receive(fd, socket_type, places, MOST_RECEIVED, drop);
    let text = |record: udsock::records::Record<'_>| {
        let bytes = memory.get(record.start..record.start + record.length).unwrap();
        let end = if record.is_truncated { "~" } else { "" };
        String::from_utf8(bytes.to_vec()).unwrap() + end
    };
    let count = match &received {
        Ok(ReceivedRecords::Records { count, .. }) => *count,
        _ => 0,
    };
    (received, (0..count).map(|index| text(batch.record(index).unwrap())).collect())
}

fn address(name: &str) -> Address {
    Address::abstract_name(format!("udsock-datagrams-{}-{name}", std::process::id()).as_bytes()).unwrap()
}

fn bound(address: &Address) -> OwnedFd {
    let options = BindOptions::new(0).socket_type(SocketType::Datagram);
    bind_with(address, &options, &false.into()).unwrap().socket
}

fn code<T>(outcome: io::Result<T>) -> Option<i32> {
    outcome.err().and_then(|error| error.raw_os_error())
}

#[test]
fn a_record_is_told_from_the_end_without_taking_it() {
    let (one, other) = pair();
    assert_eq!(is_record_next(&other).unwrap_err().kind(), io::ErrorKind::WouldBlock);
    for record in [&b""[..], b"not empty"] {
        put(&one, record);
        assert!(is_record_next(&other).unwrap());
        assert_eq!(receive(&other, SocketType::Packet).1, [str::from_utf8(record).unwrap()]);
    }
    drop(one);
    assert!(!is_record_next(&other).unwrap());
    assert_eq!(receive(&other, SocketType::Packet).0.unwrap(), ReceivedRecords::End);
}

#[test]
fn records_of_one_receive_are_apart_and_the_end_comes_alone() {
    let (ours, theirs) = pair();
    for record in [&b"one"[..], b"", b"three"] {
        put(&ours, record);
    }
    shutdown(&ours, Shutdown::Write).unwrap();
    let (received, records) = receive(&theirs, SocketType::Packet);
    assert_eq!(received.unwrap(), ReceivedRecords::Records { count: 3, was_last: false });
    assert_eq!(records, ["one", "", "three"]);
    assert_eq!(receive(&theirs, SocketType::Packet).0.unwrap(), ReceivedRecords::End);
}

#[test]
fn a_receive_that_leaves_nothing_says_so() {
    let (ours, theirs) = pair();
    assert_eq!(receive(&theirs, SocketType::Packet).0.unwrap(), ReceivedRecords::Empty);
    put(&ours, b"one");
    let (received, _) = receive(&theirs, SocketType::Packet);
    assert_eq!(received.unwrap(), ReceivedRecords::Records { count: 1, was_last: true });
    for _ in 0..9 {
        put(&ours, b"");
    }
    let (received, records) = receive(&theirs, SocketType::Packet);
    assert_eq!(received.unwrap(), ReceivedRecords::Records { count: 8, was_last: false });
    assert_eq!(records, [""; 8]);
}

#[test]
fn a_record_longer_than_its_place_is_marked() {
    let (ours, theirs) = pair();
    put(&ours, &[b'x'; 64]);
    put(&ours, &[b'y'; 65]);
    put(&ours, b"z");
    let (_, records) = receive(&theirs, SocketType::Packet);
    assert_eq!(records, ["x".repeat(64), "y".repeat(64) + "~", "z".into()]);
}

#[test]
fn a_batch_moves_to_another_thread_with_its_records() {
    let (here, there) = pair();
    pass_credentials(&there, true).unwrap();
    put(&here, b"record");
    let (mut memory, mut batch) = ([0; 64], RecordBatch::new());
    let places = RecordPlaces::of(&mut memory, 0, 64);
    batch.receive(&there, SocketType::Packet, places, 1, drop).unwrap();
    let batch = std::thread::spawn(move || {
        let record = batch.record(0).unwrap();
        assert_eq!((record.length, record.sender.unwrap().pid), (6, Some(std::process::id())));
        batch
    })
    .join()
    .unwrap();
    std::thread::scope(|scope| {
        scope.spawn(|| assert_eq!(batch.record(0).unwrap().length, 6));
    });
}

#[test]
fn places_whose_size_is_no_number_are_none() {
    let (here, there) = pair();
    put(&here, b"record");
    let mut memory = [0; 128];
    let mut batch = RecordBatch::new();
    for (head, longest) in [(usize::MAX - 7, 64), (64, usize::MAX - 63), (usize::MAX - 3, 0), (0, usize::MAX)]
    {
        let (own, others) = memory.split_at_mut(64);
        let places = RecordPlaces::of(own, head, longest);
        assert_eq!((places.size(longest), places.count()), (usize::MAX, 0));
        assert_eq!(code(batch.receive(&there, SocketType::Packet, places, 1, drop)), Some(libc::EINVAL));
        assert!(others.iter().all(|&byte| byte == 0), "written beyond the memory");
    }
    assert_eq!(receive(&there, SocketType::Packet).1, ["record"]);
}

#[test]
fn a_receive_without_a_place_is_invalid_and_takes_no_end() {
    let (here, there) = pair();
    put(&here, b"record");
    let mut memory = [0; 32];
    let mut batch = RecordBatch::new();
    for socket_type in [SocketType::Packet, SocketType::Datagram] {
        let small = RecordPlaces::of(&mut memory, 0, 64);
        assert_eq!(code(batch.receive(&there, socket_type, small, MOST_RECEIVED, drop)), Some(libc::EINVAL));
        let enough = RecordPlaces::of(&mut memory, 0, 16);
        assert_eq!(code(batch.receive(&there, socket_type, enough, 0, drop)), Some(libc::EINVAL));
    }
    assert_eq!(receive(&there, SocketType::Packet).1, ["record"]);
}

#[test]
fn the_kernel_takes_records_up_to_its_room_and_then_none() {
    let (ours, theirs) = pair();
    let record = [1; 1000];
    let mut sent = 0;
    while let SentRecords::Records(count) = send_records(&ours, &[&record[..]; 64], None).unwrap() {
        sent += count;
    }
    let mut received = 0;
    let mut memory = [0; 2000];
    while let Ok((length, _)) = recv(&theirs, &mut memory, RecvFlags::DONTWAIT) {
        assert_eq!(length, 1000);
        received += 1;
    }
    assert_eq!(received, sent);
}

#[test]
fn a_record_that_is_too_long_stops_a_send_in_front_of_it() {
    let (ours, theirs) = pair();
    let huge = vec![0; 64 << 20];
    assert_eq!(send_records(&ours, &[b"one", &huge, b"three"], None).unwrap(), SentRecords::Records(1));
    assert_eq!(code(send_records(&ours, &[&huge, b"three"], None)), Some(libc::EMSGSIZE));
    assert_eq!(send_records(&ours, &[b"three"], None).unwrap(), SentRecords::Records(1));
    assert_eq!(receive(&theirs, SocketType::Packet).1, ["one", "three"]);
}

#[test]
fn a_peer_that_is_gone_is_an_error_and_no_signal() {
    let (ours, theirs) = pair();
    drop(theirs);
    assert_eq!(code(send_records(&ours, &[b"one"], None)), Some(libc::EPIPE));
    assert_eq!(code(send_records(&ours, &[b"one", b"two"], None)), Some(libc::EPIPE));
    assert_eq!(receive(&ours, SocketType::Packet).0.unwrap(), ReceivedRecords::End);
}

#[test]
fn descriptors_that_came_with_a_record_go_to_the_sink() {
    let (ours, theirs) = pair();
    let (gift, _other) = pair();
    let mut space = [std::mem::MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = rustix::net::SendAncillaryBuffer::new(&mut space);
    let gifts = [std::os::fd::AsFd::as_fd(&gift)];
    assert!(control.push(rustix::net::SendAncillaryMessage::ScmRights(&gifts)));
    rustix::net::sendmsg(&ours, &[IoSlice::new(b"with")], &mut control, SendFlags::empty()).unwrap();
    put(&ours, b"without");
    let (mut memory, mut batch, mut taken) = ([0; 512], RecordBatch::new(), Vec::new());
    let places = RecordPlaces::of(&mut memory, 0, 64);
    let received =
        batch.receive(&theirs, SocketType::Packet, places, MOST_RECEIVED, |fd| taken.push(fd)).unwrap();
    assert_eq!(received, ReceivedRecords::Records { count: 2, was_last: true });
    assert_eq!(taken.len(), 1);
    assert!(taken.iter().all(|fd| fd.as_raw_fd() != gift.as_raw_fd()));
}

#[test]
fn datagrams_have_senders_and_receivers() {
    let (here, there) = (address("here"), address("there"));
    let (sender, receiver) = (bound(&here), bound(&there));
    assert_eq!(send_records(&sender, &[b"one", b""], Some(&there)).unwrap(), SentRecords::Records(2));
    connect_datagrams(&sender, &there).unwrap();
    assert_eq!(send_records(&sender, &[b"three"], None).unwrap(), SentRecords::Records(1));
    disconnect_datagrams(&sender).unwrap();
    assert_eq!(code(send_records(&sender, &[b"four"], None)), Some(libc::ENOTCONN));
    let (mut memory, mut batch) = ([0; 512], RecordBatch::new());
    let places = RecordPlaces::of(&mut memory, 16, 64);
    let received = batch.receive(&receiver, SocketType::Datagram, places, MOST_RECEIVED, drop).unwrap();
    assert_eq!(received, ReceivedRecords::Records { count: 3, was_last: true });
    for (index, start, length) in [(0, 16, 3), (1, 96, 0), (2, 176, 5)] {
        let record = batch.record(index).unwrap();
        assert_eq!((record.start, record.length), (start, length));
        assert_eq!((record.from, record.sender), (here.as_bytes(), None));
    }
    assert!(batch.record(3).is_none());
}

#[test]
fn a_sender_without_a_name_has_no_address_until_it_is_bound() {
    let there = address("named");
    let receiver = bound(&there);
    pass_credentials(&receiver, true).unwrap();
    let sender = datagram_socket().unwrap();
    let from = |record: &[u8]| {
        assert_eq!(send_records(&sender, &[record], Some(&there)).unwrap(), SentRecords::Records(1));
        let (mut memory, mut batch) = ([0; 512], RecordBatch::new());
        let places = RecordPlaces::of(&mut memory, 0, 64);
        batch.receive(&receiver, SocketType::Datagram, places, MOST_RECEIVED, drop).unwrap();
        let record = batch.record(0).unwrap();
        let credentials = record.sender.unwrap();
        assert_eq!(credentials.uid, rustix::process::getuid().as_raw());
        assert!(credentials.pid.is_some());
        record.from.to_vec()
    };
    assert_eq!(from(b"one"), b"");
    autobind(&sender).unwrap();
    let name = Address::local(&sender).unwrap();
    assert_eq!(from(b"two"), name.as_bytes());
}

/// Receives one datagram, and returns the user who sent it, if the kernel has recorded that.
fn sender(receiver: &OwnedFd) -> Option<u32> {
    let (mut batch, mut memory) = (RecordBatch::new(), [0; 64]);
    let places = RecordPlaces::of(&mut memory, 0, 64);
    batch.receive(receiver, SocketType::Datagram, places, 1, drop).unwrap();
    batch.record(0).unwrap().sender.map(|sender| sender.uid)
}

#[test]
fn a_record_from_before_credentials_were_asked_for_has_none() {
    let user = rustix::process::getuid().as_raw();
    let (client, address) = (datagram_socket().unwrap(), address("late"));
    let server = bound(&address);
    send_records(&client, &[b"early"], Some(&address)).unwrap();
    pass_credentials(&server, true).unwrap();
    send_records(&client, &[b"late"], Some(&address)).unwrap();
    assert_eq!([sender(&server), sender(&server)], [None, Some(user)]);
}

#[test]
fn credentials_come_from_the_first_record_on() {
    let address = address("first");
    let options = BindOptions::new(0).socket_type(SocketType::Datagram).pass_credentials(true);
    let server = bind_with(&address, &options, &false.into()).unwrap().socket;
    send_records(&datagram_socket().unwrap(), &[b"first"], Some(&address)).unwrap();
    assert_eq!(sender(&server), Some(rustix::process::getuid().as_raw()));
}
