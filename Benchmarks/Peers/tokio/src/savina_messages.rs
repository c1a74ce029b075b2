// Savina's workloads of messages. A mailbox is an unbounded channel.
use crate::suite::{ensure, per_second, scaled, Random};
use std::collections::{HashMap, VecDeque};
use std::hint::black_box;
use std::time::Instant;
use tokio::sync::mpsc::{unbounded_channel, UnboundedReceiver, UnboundedSender};

type Tx<T> = UnboundedSender<T>;
type Rx<T> = UnboundedReceiver<T>;

fn send<T>(to: &Tx<T>, message: T) {
    ensure(to.send(message).is_ok(), "send");
}

async fn sum(from: &mut Rx<i64>, count: i64) -> i64 {
    let mut sum = 0;
    for _ in 0..count {
        sum += from.recv().await.unwrap();
    }
    sum
}

enum Count {
    Add(i64),
    Get(Tx<i64>),
}

pub async fn count(scale: f64) -> f64 {
    let total = scaled(1_000_000, scale);
    let (tx, mut rx) = unbounded_channel();
    let (boss, mut result) = unbounded_channel();
    tokio::spawn(async move {
        let mut count = 0;
        while let Some(m) = rx.recv().await {
            match m {
                Count::Add(n) => count += n,
                Count::Get(reply) => send(&reply, count),
            }
        }
    });
    let start = Instant::now();
    tokio::spawn(async move {
        for _ in 0..total {
            send(&tx, Count::Add(1));
        }
        send(&tx, Count::Get(boss));
    });
    let counted = result.recv().await.unwrap();
    let value = per_second(total, start);
    ensure(counted == total, "count");
    value
}

pub async fn fork_join(scale: f64) -> f64 {
    const WORKERS: i64 = 60;
    let each = scaled(10_000, scale);
    let (done, mut results) = unbounded_channel();
    let mut boxes = vec![];
    for _ in 0..WORKERS {
        let (tx, mut rx) = unbounded_channel::<f64>();
        let done = done.clone();
        boxes.push(tx);
        tokio::spawn(async move {
            let mut sum = 0.0;
            for _ in 0..each {
                let sine = rx.recv().await.unwrap().sin();
                sum += sine * sine;
            }
            ensure(sum > 0.0, "sum of squares");
            send(&done, 1);
        });
    }
    let start = Instant::now();
    for _ in 0..each {
        for tx in &boxes {
            send(tx, black_box(37.2));
        }
    }
    let workers = sum(&mut results, WORKERS).await;
    let value = per_second(WORKERS * each, start);
    ensure(workers == WORKERS, "workers");
    value
}

pub async fn fork_create(scale: f64) -> f64 {
    let total = scaled(40_000, scale);
    let (done, mut results) = unbounded_channel();
    let start = Instant::now();
    for _ in 0..total {
        let (tx, mut rx) = unbounded_channel::<f64>();
        let done = done.clone();
        tokio::spawn(async move {
            let sine = rx.recv().await.unwrap().sin();
            ensure(sine * sine > 0.0, "square");
            send(&done, 1);
        });
        send(&tx, black_box(37.2));
    }
    let workers = sum(&mut results, total).await;
    let value = per_second(total, start);
    ensure(workers == total, "workers");
    value
}

pub async fn thread_ring(scale: f64) -> f64 {
    const LINKS: usize = 100;
    let hops = scaled(100_000, scale);
    let (txs, rxs): (Vec<Tx<i64>>, Vec<Rx<i64>>) = (0..LINKS).map(|_| unbounded_channel()).unzip();
    let (done, mut result) = unbounded_channel();
    for (i, mut rx) in rxs.into_iter().enumerate() {
        let (next, done) = (txs[(i + 1) % LINKS].clone(), done.clone());
        tokio::spawn(async move {
            while let Some(left) = rx.recv().await {
                if left > 0 {
                    send(&next, left - 1);
                } else {
                    send(&done, i as i64);
                }
            }
        });
    }
    let start = Instant::now();
    send(&txs[0], hops);
    let last: i64 = result.recv().await.unwrap();
    let ns = start.elapsed().as_nanos() as f64;
    ensure(last == hops % LINKS as i64, "where it ends");
    ns / hops as f64
}

enum Mall {
    Meet(Tx<Creature>, i64),
    Total(i64),
}
enum Creature {
    Meet(Tx<Creature>, i64),
    Change(i64),
    Stop,
}

pub async fn chameneos(scale: f64) -> f64 {
    const CREATURES: i64 = 100;
    let meetings = scaled(200_000, scale);
    let (mall, mut visits) = unbounded_channel();
    let (done, mut result) = unbounded_channel();
    tokio::spawn(async move {
        let (mut left, mut gone, mut sum) = (meetings, 0, 0);
        let mut waiting: Option<Tx<Creature>> = None;
        while gone < CREATURES {
            match visits.recv().await.unwrap() {
                Mall::Meet(who, _) if left == 0 => send(&who, Creature::Stop),
                Mall::Meet(who, colour) => match waiting.take() {
                    None => waiting = Some(who),
                    Some(first) => {
                        send(&first, Creature::Meet(who, colour));
                        left -= 1;
                    }
                },
                Mall::Total(met) => {
                    gone += 1;
                    sum += met;
                }
            }
        }
        send(&done, sum);
    });
    let start = Instant::now();
    for i in 0..CREATURES {
        let mall = mall.clone();
        tokio::spawn(async move {
            let (me, mut rx) = unbounded_channel();
            let (mut colour, mut met) = (i % 3, 0);
            send(&mall, Mall::Meet(me.clone(), colour));
            loop {
                match rx.recv().await.unwrap() {
                    Creature::Meet(other, its) => {
                        colour = if colour == its { colour } else { 3 - colour - its };
                        send(&other, Creature::Change(colour));
                    }
                    Creature::Change(new) => colour = new,
                    Creature::Stop => return send(&mall, Mall::Total(met)),
                }
                met += 1;
                send(&mall, Mall::Meet(me.clone(), colour));
            }
        });
    }
    let sum: i64 = result.recv().await.unwrap();
    let value = per_second(meetings, start);
    ensure(sum == 2 * meetings, "two at each meeting");
    value
}

struct Request {
    key: i64,
    value: Option<i64>, // of a write
    reply: Tx<(i64, i64)>,
}

pub async fn dictionary(scale: f64) -> f64 {
    const WORKERS: i64 = 20;
    const KEYS: i64 = 524_287;
    let each = scaled(10_000, scale);
    let mut table: HashMap<i64, i64> = (0..KEYS).map(|k| (k, k)).collect();
    let (server, mut requests) = unbounded_channel::<Request>();
    let (done, mut results) = unbounded_channel();
    tokio::spawn(async move {
        while let Some(r) = requests.recv().await {
            if let Some(value) = r.value {
                table.insert(r.key, value);
            }
            send(&r.reply, (r.key, table[&r.key]));
        }
    });
    let start = Instant::now();
    for i in 1..=WORKERS {
        let (server, done) = (server.clone(), done.clone());
        tokio::spawn(async move {
            let (reply, mut answers) = unbounded_channel();
            let mut seed = Random(i as u64 * 7919);
            for _ in 0..each {
                let writes = seed.below(100) < 10;
                let key = seed.below(KEYS as u64) as i64;
                send(&server, Request { key, value: writes.then_some(key + i * KEYS), reply: reply.clone() });
                let (key, value) = answers.recv().await.unwrap();
                ensure(value % KEYS == key, "value of the key");
            }
            send(&done, i);
        });
    }
    let workers = sum(&mut results, WORKERS).await;
    let value = per_second(WORKERS * each, start);
    ensure(workers == WORKERS * (WORKERS + 1) / 2, "workers");
    value
}

pub async fn philosophers(scale: f64) -> f64 {
    const GUESTS: usize = 20;
    let rounds = scaled(10_000, scale);
    let meals = GUESTS as i64 * rounds;
    let (arbiter, mut asked) = unbounded_channel::<(bool, usize)>();
    let (txs, rxs): (Vec<Tx<bool>>, Vec<Rx<bool>>) = (0..GUESTS).map(|_| unbounded_channel()).unzip();
    let (done, mut result) = unbounded_channel();
    tokio::spawn(async move {
        let (mut taken, mut eaten) = ([false; GUESTS], 0);
        while eaten < meals {
            let (is_done, left) = asked.recv().await.unwrap();
            let right = (left + 1) % GUESTS;
            if is_done {
                ensure(taken[left] && taken[right], "forks are put back that were taken");
                (taken[left], taken[right]) = (false, false);
                eaten += 1;
                continue;
            }
            let free = !taken[left] && !taken[right];
            if free {
                (taken[left], taken[right]) = (true, true);
            }
            send(&txs[left], free);
        }
        send(&done, eaten);
    });
    let start = Instant::now();
    for (i, mut rx) in rxs.into_iter().enumerate() {
        let arbiter = arbiter.clone();
        tokio::spawn(async move {
            let mut left = rounds;
            while left > 0 {
                send(&arbiter, (false, i));
                if rx.recv().await.unwrap() {
                    send(&arbiter, (true, i));
                    left -= 1;
                }
            }
        });
    }
    let eaten = result.recv().await.unwrap();
    let value = per_second(meals, start);
    ensure(eaten == meals, "meals");
    value
}

#[derive(PartialEq)]
enum Said {
    Full,
    Wait,
    Start,
    Done,
}
type Customer = Tx<Said>;
enum Room {
    Enter(Customer),
    Next,
}
enum Factory {
    Returned(Customer),
    Done,
}

fn call_next(barber: &Tx<Option<Customer>>, waiting: &mut VecDeque<Customer>, sleeps: &mut bool) {
    let next = waiting.pop_front();
    *sleeps = next.is_none();
    send(barber, next);
}

pub async fn barber(scale: f64) -> f64 {
    let haircuts = scaled(5_000, scale);
    let (room, mut visits) = unbounded_channel::<Room>();
    let (chair, mut customers) = unbounded_channel::<Option<Customer>>();
    let (factory, mut told) = unbounded_channel::<Factory>();
    let (done, mut result) = unbounded_channel();
    tokio::spawn(async move {
        let (mut waiting, mut sleeps) = (VecDeque::new(), true);
        while let Some(m) = visits.recv().await {
            match m {
                Room::Next => call_next(&chair, &mut waiting, &mut sleeps),
                Room::Enter(c) if waiting.len() == 1000 => send(&c, Said::Full),
                Room::Enter(c) => {
                    if !sleeps {
                        send(&c, Said::Wait);
                    }
                    waiting.push_back(c);
                    if sleeps {
                        call_next(&chair, &mut waiting, &mut sleeps);
                    }
                }
            }
        }
    });
    let to_room = room.clone();
    tokio::spawn(async move {
        let mut seed = Random(4711);
        while let Some(m) = customers.recv().await {
            if let Some(c) = m {
                send(&c, Said::Start);
                let steps = seed.below(1000) + 10;
                seed.spin(steps);
                send(&c, Said::Done);
                send(&to_room, Room::Next);
            }
        }
    });
    let start = Instant::now();
    tokio::spawn(async move {
        let mut seed = Random(88172645463325252);
        for _ in 0..haircuts {
            let (me, mut rx) = unbounded_channel();
            let (factory, own) = (factory.clone(), me.clone());
            tokio::spawn(async move {
                loop {
                    match rx.recv().await.unwrap() {
                        Said::Full => send(&factory, Factory::Returned(own.clone())),
                        Said::Done => return send(&factory, Factory::Done),
                        _ => {}
                    }
                }
            });
            send(&room, Room::Enter(me));
            let steps = seed.below(1000) + 10;
            seed.spin(steps);
        }
        let mut cut = 0;
        while cut < haircuts {
            match told.recv().await.unwrap() {
                Factory::Returned(c) => send(&room, Room::Enter(c)),
                Factory::Done => cut += 1,
            }
        }
        send(&done, cut);
    });
    let cut = result.recv().await.unwrap();
    let value = per_second(haircuts, start);
    ensure(cut == haircuts, "haircuts");
    value
}

pub async fn smokers(scale: f64) -> f64 {
    const SMOKERS: usize = 200;
    let rounds = scaled(1_000, scale);
    let (done, mut result) = unbounded_channel();
    let start = Instant::now();
    tokio::spawn(async move {
        let (started, mut begun) = unbounded_channel();
        let mut boxes = vec![];
        for _ in 0..SMOKERS {
            let (tx, mut rx) = unbounded_channel::<u64>();
            let started = started.clone();
            boxes.push(tx);
            tokio::spawn(async move {
                while let Some(steps) = rx.recv().await {
                    send(&started, ());
                    Random(1).spin(steps);
                }
            });
        }
        let mut seed = Random(88172645463325252);
        for _ in 0..rounds {
            let chosen = seed.below(SMOKERS as u64) as usize;
            send(&boxes[chosen], seed.below(1000) + 10);
            begun.recv().await.unwrap();
        }
        send(&done, rounds);
    });
    let begun = result.recv().await.unwrap();
    let value = per_second(rounds, start);
    ensure(begun == rounds, "rounds");
    value
}

enum Account {
    Credit(i64, usize),
    Debit(i64, Tx<i64>),
    Balance,
}

pub async fn bank(scale: f64) -> f64 {
    const ACCOUNTS: u64 = 1000;
    let transactions = scaled(50_000, scale);
    let (txs, rxs): (Vec<Tx<Account>>, Vec<Rx<Account>>) = (0..ACCOUNTS).map(|_| unbounded_channel()).unzip();
    let (teller, mut answers) = unbounded_channel();
    for mut rx in rxs {
        let (all, teller) = (txs.clone(), teller.clone());
        tokio::spawn(async move {
            let (reply, mut replies) = unbounded_channel();
            let mut balance = 0;
            while let Some(m) = rx.recv().await {
                match m {
                    Account::Credit(amount, to) => {
                        balance -= amount;
                        send(&all[to], Account::Debit(amount, reply.clone()));
                        replies.recv().await.unwrap();
                        send(&teller, 1);
                    }
                    Account::Debit(amount, from) => {
                        balance += amount;
                        send(&from, 1);
                    }
                    Account::Balance => send(&teller, balance),
                }
            }
        });
    }
    let mut seed = Random(88172645463325252);
    let start = Instant::now();
    for _ in 0..transactions {
        let from = seed.below(ACCOUNTS / 10 * 8);
        let to = from + 1 + seed.below(ACCOUNTS - from - 1);
        send(&txs[from as usize], Account::Credit(seed.below(1000) as i64, to as usize));
    }
    let made = sum(&mut answers, transactions).await;
    let value = per_second(transactions, start);
    ensure(made == transactions, "transactions");
    for tx in &txs {
        send(tx, Account::Balance);
    }
    ensure(sum(&mut answers, ACCOUNTS as i64).await == 0, "no money is lost or made");
    value
}

type Item = (i64, f64);
enum Manager {
    Item(Item, Tx<()>),
    Ready(Tx<Option<Item>>),
}

pub fn item_work(start: f64) -> f64 {
    let (mut seed, mut data) = (Random(25), start);
    for _ in 0..2500 {
        data += ((seed.next() >> 11) as f64 / 9007199254740992.0 + 0.01).ln();
    }
    data
}

pub async fn bounded_buffer(scale: f64) -> f64 {
    const BUFFER: usize = 50;
    const PRODUCERS: i64 = 40;
    const CONSUMERS: i64 = 40;
    let each = scaled(1_000, scale);
    let total = PRODUCERS * each;
    let (manager, mut told) = unbounded_channel::<Manager>();
    let (done, mut results) = unbounded_channel();
    tokio::spawn(async move {
        let (mut due, mut items, mut waiting, mut ready) = (total, VecDeque::new(), VecDeque::new(), VecDeque::new());
        while due > 0 || (ready.len() as i64) < CONSUMERS {
            match told.recv().await.unwrap() {
                Manager::Item(item, producer) => {
                    match ready.pop_front() {
                        Some(consumer) => {
                            send(&consumer, Some(item));
                            due -= 1;
                        }
                        None => items.push_back(item),
                    }
                    ensure(items.len() <= BUFFER + PRODUCERS as usize, "the buffer is bounded");
                    if items.len() >= BUFFER - PRODUCERS as usize {
                        waiting.push_back(producer);
                    } else {
                        send(&producer, ());
                    }
                }
                Manager::Ready(consumer) => match items.pop_front() {
                    None => ready.push_back(consumer),
                    Some(item) => {
                        send(&consumer, Some(item));
                        due -= 1;
                        if let Some(producer) = waiting.pop_front() {
                            send(&producer, ());
                        }
                    }
                },
            }
        }
        for consumer in ready {
            send(&consumer, None);
        }
    });
    let start = Instant::now();
    for _ in 0..CONSUMERS {
        let (manager, done) = (manager.clone(), done.clone());
        tokio::spawn(async move {
            let (me, mut rx) = unbounded_channel();
            let (mut sum, mut data) = (0, 0.0);
            send(&manager, Manager::Ready(me.clone()));
            while let Some((number, made)) = rx.recv().await.unwrap() {
                data = item_work(made);
                sum += number;
                send(&manager, Manager::Ready(me.clone()));
            }
            ensure(f64::is_finite(data), "data");
            send(&done, sum);
        });
    }
    for i in 0..PRODUCERS {
        let manager = manager.clone();
        tokio::spawn(async move {
            let (me, mut rx) = unbounded_channel();
            send(&me, ());
            for k in 0..each {
                rx.recv().await.unwrap();
                // The manager may be gone when the last items have been handed out; then nobody counts them any more.
                let _ = manager.send(Manager::Item((i * each + k, item_work(0.0)), me.clone()));
            }
            rx.recv().await;
        });
    }
    let found = sum(&mut results, CONSUMERS).await;
    let value = per_second(total, start);
    ensure(found == total * (total - 1) / 2, "each item once");
    value
}
