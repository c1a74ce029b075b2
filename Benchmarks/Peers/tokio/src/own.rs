// Our own workloads.
use crate::suite::{also, ensure, per_second, scaled, Histogram};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::mpsc::{unbounded_channel, UnboundedReceiver, UnboundedSender};
use tokio::sync::oneshot;

type Tx<T> = UnboundedSender<T>;
type Rx<T> = UnboundedReceiver<T>;

pub async fn fanin(scale: f64) -> f64 {
    const THREADS: i64 = 4;
    let each = scaled(500_000, scale);
    let (tx, mut rx) = unbounded_channel::<i64>();
    let sink = tokio::spawn(async move {
        let mut sum = 0;
        for _ in 0..THREADS * each {
            sum += rx.recv().await.unwrap();
        }
        sum
    });
    let start = Instant::now();
    for _ in 0..THREADS {
        let tx = tx.clone();
        std::thread::spawn(move || (1..=each).for_each(|i| ensure(tx.send(i).is_ok(), "send")));
    }
    let sum = sink.await.unwrap();
    let value = per_second(THREADS * each, start);
    ensure(sum == THREADS * (each * (each + 1) / 2), "sum");
    value
}

pub async fn call_thread(scale: f64) -> f64 {
    let calls = scaled(200_000, scale);
    let (tx, mut rx) = unbounded_channel::<(i64, oneshot::Sender<i64>)>();
    tokio::spawn(async move {
        let mut count = 0;
        while let Some((more, reply)) = rx.recv().await {
            count += more;
            ensure(reply.send(count).is_ok(), "reply");
        }
    });
    let (done, result) = oneshot::channel();
    std::thread::spawn(move || {
        let start = Instant::now();
        let mut last = 0;
        for _ in 0..calls {
            let (reply, answer) = oneshot::channel();
            ensure(tx.send((1, reply)).is_ok(), "send");
            last = answer.blocking_recv().unwrap();
        }
        let took = start.elapsed();
        ensure(last == calls, "last reply");
        done.send(took).unwrap();
    });
    result.await.unwrap().as_nanos() as f64 / calls as f64
}

pub async fn echo(cores: usize, scale: f64) -> f64 {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        loop {
            let (mut socket, _) = listener.accept().await.unwrap();
            socket.set_nodelay(true).unwrap();
            tokio::spawn(async move {
                let mut bytes = [0; 4096];
                while let Ok(got) = socket.read(&mut bytes).await {
                    if got == 0 {
                        return;
                    }
                    socket.write_all(&bytes[..got]).await.unwrap();
                }
            });
        }
    });
    let client = std::env::var("BENCH_ECHO_CLIENT").expect("BENCH_ECHO_CLIENT names the client");
    let total = scaled(100_000, scale).to_string();
    let out = tokio::task::spawn_blocking(move || std::process::Command::new(client).arg(port.to_string()).arg(total).output());
    let out = out.await.unwrap().unwrap();
    ensure(out.status.success(), "the client's own check");
    let mut value = 0.0;
    for line in String::from_utf8(out.stdout).unwrap().lines() {
        let numbers: Vec<f64> = line.split(' ').map(|x| x.parse().unwrap()).collect();
        let name = format!("c{}", numbers[0]);
        also("echo", cores, &name, numbers[1], "round trips/s");
        also("echo", cores, &format!("{name}_p50"), numbers[2], "us");
        also("echo", cores, &format!("{name}_p99"), numbers[3], "us");
        if numbers[0] == 100.0 {
            value = numbers[1];
        }
    }
    value
}

pub async fn sizes(size: usize, messages: i64, scale: f64) -> f64 {
    let total = scaled(messages, scale);
    let words = (size / 8) as i64;
    let buffer: Vec<i64> = (1..=words).collect();
    let (tx, mut rx) = unbounded_channel::<Vec<i64>>();
    let (taken, mut sums) = unbounded_channel::<i64>();
    tokio::spawn(async move {
        while let Some(message) = rx.recv().await {
            ensure(taken.send(message.iter().sum()).is_ok(), "taken");
        }
    });
    let start = Instant::now();
    let sender = tokio::spawn(async move {
        let (mut sum, window) = (0, total.min(8));
        for _ in 0..window {
            ensure(tx.send(buffer.clone()).is_ok(), "send");
        }
        for i in 0..total {
            sum += sums.recv().await.unwrap();
            if i + window < total {
                ensure(tx.send(buffer.clone()).is_ok(), "send");
            }
        }
        sum
    });
    let sum = sender.await.unwrap();
    let value = per_second(total * size as i64, start);
    ensure(sum == total * (words * (words + 1) / 2), "sum of all words");
    value
}

// Nanoseconds that all threads of this program have run, from the kernel's books: one system call, however many they are.
fn cpu_ns() -> i64 {
    #[repr(C)]
    struct Timespec {
        seconds: i64,
        nanoseconds: i64,
    }
    extern "C" {
        fn clock_gettime(clock: i32, time: *mut Timespec) -> i32;
    }
    const CLOCK_PROCESS_CPUTIME_ID: i32 = 2;
    let mut used = Timespec { seconds: 0, nanoseconds: 0 };
    // It writes the two fields of 64 bits and nothing else.
    let result = unsafe { clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &mut used) };
    ensure(result == 0, "CPU time");
    used.seconds * 1_000_000_000 + used.nanoseconds
}

pub async fn idle_cpu(scale: f64) -> f64 {
    const PROCESSES: i64 = 10_000;
    let (done, mut results) = unbounded_channel();
    let mut boxes = vec![];
    for _ in 0..PROCESSES {
        let (tx, mut rx) = unbounded_channel::<i64>();
        let done = done.clone();
        ensure(tx.send(1).is_ok(), "send");
        boxes.push(tx);
        tokio::spawn(async move {
            while let Some(number) = rx.recv().await {
                ensure(done.send(number).is_ok(), "answer");
            }
        });
    }
    let quiet = Duration::from_secs_f64(2.0 * scale);
    for _ in 0..PROCESSES {
        results.recv().await.unwrap();
    }
    tokio::time::sleep(quiet.min(Duration::from_millis(50))).await;
    let (start, before) = (Instant::now(), cpu_ns());
    tokio::time::sleep(quiet).await;
    let used = cpu_ns() - before;
    let value = used as f64 / 1000.0 / start.elapsed().as_secs_f64();
    for tx in &boxes {
        ensure(tx.send(1).is_ok(), "send");
    }
    for _ in 0..PROCESSES {
        ensure(results.recv().await == Some(1), "processes");
    }
    value
}

async fn load(mut rx: Rx<i64>, other: Tx<i64>, ends: Arc<AtomicBool>) {
    while let Some(number) = rx.recv().await {
        if ends.load(Relaxed) || other.send(number + 1).is_err() {
            return;
        }
    }
}

pub async fn latency(cores: usize, scale: f64) -> f64 {
    let ends = Arc::new(AtomicBool::new(false));
    for _ in 0..64 {
        let ((a, a_rx), (b, b_rx)) = (unbounded_channel(), unbounded_channel());
        ensure(a.send(0).is_ok(), "send");
        tokio::spawn(load(a_rx, b, ends.clone()));
        tokio::spawn(load(b_rx, a, ends.clone()));
    }
    tokio::time::sleep(Duration::from_millis(20)).await;
    let ((there, mut there_rx), (back, mut back_rx)) = (unbounded_channel::<i64>(), unbounded_channel::<i64>());
    tokio::spawn(async move {
        while let Some(number) = there_rx.recv().await {
            ensure(back.send(number + 1).is_ok(), "back");
        }
    });
    let end = Instant::now() + Duration::from_secs_f64(scale);
    let prober = tokio::spawn(async move {
        let (mut histogram, mut number, mut now) = (Histogram::new(), 0, Instant::now());
        while now < end {
            ensure(there.send(number).is_ok(), "there");
            number += 1;
            ensure(back_rx.recv().await == Some(number), "reply");
            let after = Instant::now();
            histogram.record(after.duration_since(now).as_nanos() as i64);
            now = after;
        }
        ensure(histogram.total == number, "round trips");
        histogram
    });
    let histogram = prober.await.unwrap();
    ends.store(true, Relaxed);
    histogram.details("latency", cores);
    histogram.us(0.99)
}

pub async fn million(scale: f64) -> f64 {
    const HOPS: i64 = 4;
    let total = scaled(1_000_000, scale) as usize;
    let (txs, rxs): (Vec<Tx<i64>>, Vec<Rx<i64>>) = (0..total).map(|_| unbounded_channel()).unzip();
    let (done, mut results) = unbounded_channel::<i64>();
    for (i, mut rx) in rxs.into_iter().enumerate() {
        let (next, done) = (txs[(i + 7919) % total].clone(), done.clone());
        tokio::spawn(async move {
            while let Some(left) = rx.recv().await {
                if left > 0 {
                    ensure(next.send(left - 1).is_ok(), "pass on");
                } else {
                    ensure(done.send(i as i64).is_ok(), "done");
                }
            }
        });
    }
    let start = Instant::now();
    for tx in &txs {
        ensure(tx.send(HOPS).is_ok(), "send");
    }
    let mut sum = 0;
    for _ in 0..total {
        sum += results.recv().await.unwrap();
    }
    let total = total as i64;
    let value = per_second(total * (HOPS + 2), start);
    ensure(sum == total * (total - 1) / 2, "each token once");
    value
}
