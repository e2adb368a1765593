//! Peer credentials, of ourselves and of other processes.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test's failure is a panic")]

mod common;

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::process::{Child, Command};

use common::{Directory, soon};
use tokio::io::AsyncReadExt;
use udsock::{Address, Allowed, Listener, PeerCredentials, connect, overflow_ids, try_connect};

const CHILD: &str = "UDSOCK_TEST_CHILD";

/// Ourselves, as far as the kernel is concerned.
fn ourselves() -> PeerCredentials {
    // SAFETY: these calls have no preconditions and cannot fail.
    let (uid, gid) = unsafe { (libc::geteuid(), libc::getegid()) };
    PeerCredentials { uid, gid, pid: Some(std::process::id()) }
}

/// Not a test of its own: what a child process does that another test has started.
///
/// It connects, writes which process it believes to be at the other end, and waits for the end.
#[test]
fn child_process() {
    let Ok(path) = std::env::var(CHILD) else { return };
    let address = Address::pathname(path).unwrap();
    let mut stream = UnixStream::from(try_connect(&address).unwrap());
    stream.set_nonblocking(false).unwrap();
    let listener = PeerCredentials::of(&stream).unwrap();
    stream.write_all(&listener.pid.unwrap_or(0).to_be_bytes()).unwrap();
    assert_eq!(stream.read(&mut [0]).unwrap(), 0);
}

/// Starts this program once more: by itself, or by the emulator that runs it, which the kernel does not know.
fn this_program() -> Command {
    let program = std::env::current_exe().unwrap();
    let Some(emulator) = std::env::var_os("UDSOCK_EMULATOR") else { return Command::new(program) };
    let mut command = Command::new(emulator);
    command.arg(program);
    command
}

fn start_child(address: &Address) -> std::io::Result<Child> {
    this_program()
        .args(["--exact", "child_process"])
        .env(CHILD, address.as_pathname().unwrap())
        .stdout(std::process::Stdio::null())
        .spawn()
}

#[tokio::test]
async fn both_ends_know_each_other() {
    let directory = Directory::new();
    let address = directory.address("s");
    let listener = Listener::bind(&address, 4).unwrap();
    let client = soon(connect(&address, None)).await.unwrap();
    let server = soon(listener.accept()).await.unwrap();
    assert_eq!(PeerCredentials::of(&client).unwrap(), ourselves());
    assert_eq!(PeerCredentials::of(&server).unwrap(), ourselves());
    drop(client);
    assert_eq!(PeerCredentials::of(&server).unwrap(), ourselves(), "they outlive the peer");
}

#[tokio::test]
async fn another_process_has_its_own_pid() {
    let directory = Directory::new();
    let address = directory.address("s");
    let listener = Listener::bind(&address, 4).unwrap();
    let mut child = start_child(&address).unwrap();
    let mut server = soon(listener.accept()).await.unwrap();
    let expected = PeerCredentials { pid: Some(child.id()), ..ourselves() };
    assert_eq!(PeerCredentials::of(&server).unwrap(), expected);
    assert_eq!(soon(server.read_u32()).await.unwrap(), std::process::id());
    drop(server);
    assert!(child.wait().unwrap().success());
}

#[tokio::test]
#[cfg(target_os = "linux")]
async fn a_process_outside_the_namespace_has_no_pid() {
    let directory = Directory::new();
    let address = directory.address("s");
    let listener = Listener::bind(&address, 4).unwrap();
    let target = address.clone();
    // A thread of its own, since it can start no further threads after this.
    let started = std::thread::spawn(move || {
        // SAFETY: only decides in which namespace this thread's children live.
        if unsafe { libc::unshare(libc::CLONE_NEWPID) } != 0 {
            return None;
        }
        Some(start_child(&target).unwrap())
    });
    let Some(mut child) = started.join().unwrap() else {
        eprintln!("skipped: making a namespace takes privileges");
        return;
    };
    let mut server = soon(listener.accept()).await.unwrap();
    assert_eq!(soon(server.read_u32()).await.unwrap(), 0, "the child cannot see us");
    assert_eq!(PeerCredentials::of(&server).unwrap().pid, Some(child.id()), "we can see the child");
    drop(server);
    assert!(child.wait().unwrap().success());
}

#[test]
fn without_a_peer_there_are_no_credentials() {
    let number = |result: std::io::Result<PeerCredentials>| result.unwrap_err().raw_os_error();
    let file = std::fs::File::open("/dev/null").unwrap();
    assert_eq!(number(PeerCredentials::of(file)), Some(libc::ENOTSOCK));
    #[cfg(target_os = "linux")]
    {
        let socket =
            rustix::net::socket(rustix::net::AddressFamily::UNIX, rustix::net::SocketType::STREAM, None)
                .unwrap();
        assert_eq!(number(PeerCredentials::of(socket)), Some(libc::ENOTCONN));
        let tcp = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        assert_eq!(number(PeerCredentials::of(tcp)), Some(libc::ENOTCONN));
    }
}

#[test]
fn users_and_groups_are_allowed_by_their_numbers() {
    let (ours, _theirs) = UnixStream::pair().unwrap();
    let PeerCredentials { uid, gid, .. } = ourselves();
    let admits =
        |uids: &[u32], gids: &[u32]| Allowed::new(uids.iter().copied(), gids.iter().copied()).admits(&ours);
    assert!(admits(&[uid], &[]));
    assert!(admits(&[uid + 1, uid], &[]));
    assert!(admits(&[uid + 1], &[gid + 1, gid]));
    assert!(!admits(&[uid + 1], &[]));
    assert!(!admits(&[], &[]));
    assert!(!Allowed::new([uid], []).admits(std::fs::File::open("/dev/null").unwrap()));
    // SAFETY: asks how many there are.
    let count = unsafe { libc::getgroups(0, std::ptr::null_mut()) };
    let mut groups = vec![0; usize::try_from(count).unwrap()];
    // SAFETY: the buffer has room for `count` groups.
    assert_eq!(unsafe { libc::getgroups(count, groups.as_mut_ptr()) }, count);
    for group in groups {
        assert!(admits(&[], &[group]));
    }
    let stranger = (1_000_000..).find(|&id| id != gid).unwrap();
    assert!(!admits(&[], &[stranger]));
}

#[test]
#[cfg(target_os = "linux")]
fn the_overflow_ids_are_never_allowed() {
    let read = |name: &str| {
        let text = std::fs::read_to_string(format!("/proc/sys/kernel/{name}")).unwrap();
        text.trim().parse::<u32>().unwrap()
    };
    let (uid, gid) = overflow_ids().unwrap();
    assert_eq!((uid, gid), (read("overflowuid"), read("overflowgid")));
    assert_eq!(Allowed::new([uid, 7], [gid, 8]), Allowed::new([7], [8]));
}
