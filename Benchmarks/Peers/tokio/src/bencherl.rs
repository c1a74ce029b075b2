// bencherl's workloads.
use crate::suite::{ensure, per_second, scaled};
use std::collections::HashSet;
use std::time::{Duration, Instant};
use tokio::sync::mpsc::{unbounded_channel, UnboundedReceiver, UnboundedSender};

type Tx<T> = UnboundedSender<T>;
type Rx<T> = UnboundedReceiver<T>;

fn send<T>(to: &Tx<T>, message: T) {
    ensure(to.send(message).is_ok(), "send");
}

enum Ehb {
    Data([i64; 13]),
    KeepingUp(Tx<()>),
    End,
}

fn send_data(receivers: &[Tx<Ehb>]) {
    for receiver in receivers {
        send(receiver, Ehb::Data([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 1]));
    }
}

pub async fn ehb(scale: f64) -> f64 {
    const GROUPS: i64 = 50;
    const SIZE: usize = 20;
    const ASK_EVERY: i64 = 100;
    let loops = scaled(250, scale);
    let messages = loops * GROUPS * (SIZE * SIZE) as i64;
    let (done, mut results) = unbounded_channel();
    let start = Instant::now();
    for _ in 0..GROUPS {
        let done = done.clone();
        tokio::spawn(async move {
            let (txs, rxs): (Vec<Tx<Ehb>>, Vec<Rx<Ehb>>) = (0..SIZE).map(|_| unbounded_channel()).unzip();
            for mut rx in rxs {
                let done = done.clone();
                tokio::spawn(async move {
                    let (mut ended, mut received) = (0, 0);
                    while ended < SIZE {
                        match rx.recv().await.unwrap() {
                            Ehb::Data(words) => received += words[12],
                            Ehb::KeepingUp(from) => send(&from, ()),
                            Ehb::End => ended += 1,
                        }
                    }
                    send(&done, received);
                });
            }
            for _ in 0..SIZE {
                let receivers = txs.clone();
                tokio::spawn(async move {
                    let mut left = loops;
                    let (me, mut answers) = unbounded_channel();
                    while left > ASK_EVERY {
                        for _ in 0..ASK_EVERY - 1 {
                            send_data(&receivers);
                        }
                        for receiver in &receivers {
                            send(receiver, Ehb::KeepingUp(me.clone()));
                        }
                        for receiver in &receivers {
                            answers.recv().await.unwrap();
                            send_data(std::slice::from_ref(receiver));
                        }
                        left -= ASK_EVERY;
                    }
                    for _ in 0..left {
                        send_data(&receivers);
                    }
                    for receiver in &receivers {
                        send(receiver, Ehb::End);
                    }
                });
            }
        });
    }
    let mut received = 0;
    for _ in 0..GROUPS * SIZE as i64 {
        received += results.recv().await.unwrap();
    }
    let value = per_second(messages, start);
    ensure(received == messages, "messages");
    value
}

const LENGTH: usize = 2000;
struct Serial {
    to: Tx<Box<Serial>>,
    values: [i64; LENGTH],
}

pub async fn serialmsg(scale: f64) -> f64 {
    const PAIRS: i64 = 100;
    let each = scaled(1_000, scale);
    let (dispatcher, mut passing) = unbounded_channel::<Box<Serial>>();
    let (done, mut results) = unbounded_channel();
    tokio::spawn(async move {
        while let Some(m) = passing.recv().await {
            let to = m.to.clone();
            send(&to, m);
        }
    });
    let start = Instant::now();
    for _ in 0..PAIRS {
        let (to, mut rx) = unbounded_channel();
        let (dispatcher, done) = (dispatcher.clone(), done.clone());
        tokio::spawn(async move {
            let mut sum = 0;
            for _ in 0..each {
                let m: Box<Serial> = rx.recv().await.unwrap();
                sum += m.values[0] + m.values[LENGTH - 1];
            }
            send(&done, sum);
        });
        tokio::spawn(async move {
            for _ in 0..each {
                let mut m = Box::new(Serial { to: to.clone(), values: [0; LENGTH] });
                for (k, value) in m.values.iter_mut().enumerate() {
                    *value = k as i64 + 1;
                }
                send(&dispatcher, m);
            }
        });
    }
    let mut sum = 0;
    for _ in 0..PAIRS {
        sum += results.recv().await.unwrap();
    }
    let value = per_second(PAIRS * each, start);
    ensure(sum == PAIRS * each * (LENGTH as i64 + 1), "sum of the ends");
    value
}

enum Wheel {
    Ping(usize),
    Pong,
}

pub async fn timer_wheel(scale: f64) -> f64 {
    const LIMIT: Duration = Duration::from_millis(1_073_741_824);
    let total = ((1000.0 * scale.sqrt() + 0.5) as usize).max(2);
    let (txs, rxs): (Vec<Tx<Wheel>>, Vec<Rx<Wheel>>) = (0..total).map(|_| unbounded_channel()).unzip();
    let all = std::sync::Arc::new(txs);
    let (done, mut results) = unbounded_channel();
    let gate = std::sync::Arc::new(tokio::sync::Barrier::new(total + 1));
    for (i, mut rx) in rxs.into_iter().enumerate() {
        let (all, done, gate) = (all.clone(), done.clone(), gate.clone());
        tokio::spawn(async move {
            gate.wait().await;
            let mut answered = 0;
            for k in 1..total {
                send(&all[(i + k) % total], Wheel::Ping(i));
                // The limit is that of the whole wait, as of a request.
                let waited = tokio::time::timeout(LIMIT, async {
                    while let Wheel::Ping(from) = rx.recv().await.unwrap() {
                        send(&all[from], Wheel::Pong);
                        answered += 1;
                    }
                });
                ensure(waited.await.is_ok(), "time limit");
            }
            while answered < total - 1 {
                if let Wheel::Ping(from) = rx.recv().await.unwrap() {
                    send(&all[from], Wheel::Pong);
                    answered += 1;
                }
            }
            send(&done, answered as i64);
        });
    }
    gate.wait().await;
    let start = Instant::now();
    let mut answers = 0;
    for _ in 0..total {
        answers += results.recv().await.unwrap();
    }
    let value = per_second(2 * answers, start);
    ensure(answers == (total * (total - 1)) as i64, "answers");
    value
}

fn mandelbrot(side: i64) -> i64 {
    let mut sum = 0;
    for row in (1..=side).rev() {
        for column in (1..=side).rev() {
            let (x0, y0) = ((column - 1) as f64 / side as f64 * 4.0 - 2.0, (row - 1) as f64 / side as f64 * 4.0 - 2.0);
            let (mut x, mut y, mut i) = (x0, y0, 0);
            while i < 255 && x * x + y * y <= 4.0 {
                (x, y) = (x * x - y * y + x0, 2.0 * x * y + y0);
                i += 1;
            }
            sum += i;
        }
    }
    sum
}

pub async fn mbrot(scale: f64) -> f64 {
    const SIDE: i64 = 100;
    let workers = scaled(200, scale);
    let (done, mut results) = unbounded_channel();
    let start = Instant::now();
    for _ in 0..workers {
        let done = done.clone();
        tokio::spawn(async move { send(&done, mandelbrot(std::hint::black_box(SIDE))) });
    }
    let mut sum = 0;
    for _ in 0..workers {
        sum += results.recv().await.unwrap();
    }
    let value = per_second(workers * SIDE * SIDE, start);
    ensure(sum == workers * mandelbrot(SIDE), "iterations");
    value
}

fn orbit_fib(n: i64) -> i64 {
    if n < 2 {
        1
    } else {
        orbit_fib(n - 1) + orbit_fib(n - 2)
    }
}

fn orbit_image(generator: i64, space: i64, x: i64) -> i64 {
    let y = if generator == 0 { orbit_fib(x % 16) + x } else { orbit_fib(x % 16 + 10) - x * x * x + 8 * x };
    y.abs() % space
}

enum Orbit {
    Vertex(i64, usize), // and how often the credit it has was halved, see orbit.c
    Count,
}

pub async fn orbit(scale: f64) -> f64 {
    const WORKERS: i64 = 100;
    let space = scaled(700, scale);
    let (txs, rxs): (Vec<Tx<Orbit>>, Vec<Rx<Orbit>>) = (0..WORKERS).map(|_| unbounded_channel()).unzip();
    let all = std::sync::Arc::new(txs);
    let (master, mut told) = unbounded_channel::<i64>();
    for mut rx in rxs {
        let (all, master) = (all.clone(), master.clone());
        tokio::spawn(async move {
            let mut seen = HashSet::new();
            loop {
                match rx.recv().await.unwrap() {
                    Orbit::Vertex(vertex, halvings) => {
                        if !seen.insert(vertex) {
                            send(&master, halvings as i64);
                            continue;
                        }
                        for generator in 0..2 {
                            let image = orbit_image(generator, space, vertex);
                            send(&all[(image % WORKERS) as usize], Orbit::Vertex(image, halvings + 1));
                        }
                    }
                    Orbit::Count => return send(&master, seen.len() as i64),
                }
            }
        });
    }
    let start = Instant::now();
    send(&all[0], Orbit::Vertex(0, 0));
    let mut credit = vec![false; space as usize + 2];
    while !credit[0] {
        let mut halvings = told.recv().await.unwrap() as usize;
        while credit[halvings] {
            credit[halvings] = false;
            halvings -= 1;
        }
        credit[halvings] = true;
    }
    let elapsed = start.elapsed().as_secs_f64();
    let mut reached = 0;
    for tx in all.iter() {
        send(tx, Orbit::Count);
    }
    for _ in 0..WORKERS {
        reached += told.recv().await.unwrap();
    }
    let (mut queue, mut seen, mut first) = (vec![0], HashSet::from([0]), 0);
    while first < queue.len() {
        for generator in 0..2 {
            let image = orbit_image(generator, space, queue[first]);
            if seen.insert(image) {
                queue.push(image);
            }
        }
        first += 1;
    }
    ensure(reached == queue.len() as i64, "size of the orbit");
    (2 * reached + 1) as f64 / elapsed
}
