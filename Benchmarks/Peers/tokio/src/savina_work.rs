// Savina's workloads that compute.
use crate::suite::{ensure, per_second, scaled, Random};
use std::cell::UnsafeCell;
use std::sync::Arc;
use std::time::Instant;
use tokio::sync::mpsc::{unbounded_channel, UnboundedReceiver, UnboundedSender};

// What a worker says to its master: more work, or that a piece is done and what it has found.
enum Report<T> {
    More(T),
    Done(i64),
}

// A master that hands work out to 20 workers in turn and takes back what they have, until nothing is outstanding.
async fn master_and_workers<T: Send + 'static>(first: T, work: impl Fn(T, &dyn Fn(T)) -> i64 + Send + Sync + 'static) -> i64 {
    const WORKERS: usize = 20;
    let (master, mut reports) = unbounded_channel::<Report<T>>();
    let work = Arc::new(work);
    let mut boxes = vec![];
    for _ in 0..WORKERS {
        let (tx, mut rx) = unbounded_channel::<T>();
        let (master, work) = (master.clone(), work.clone());
        boxes.push(tx);
        tokio::spawn(async move {
            while let Some(piece) = rx.recv().await {
                let found = work(piece, &|more| ensure(master.send(Report::More(more)).is_ok(), "more"));
                ensure(master.send(Report::Done(found)).is_ok(), "done");
            }
        });
    }
    tokio::spawn(async move {
        let (mut next, mut outstanding, mut sum) = (0, 1, 0);
        ensure(boxes[0].send(first).is_ok(), "work");
        while outstanding > 0 {
            match reports.recv().await.unwrap() {
                Report::More(piece) => {
                    next += 1;
                    outstanding += 1;
                    ensure(boxes[next % WORKERS].send(piece).is_ok(), "work");
                }
                Report::Done(found) => {
                    outstanding -= 1;
                    sum += found;
                }
            }
        }
        sum
    })
    .await
    .unwrap()
}

#[derive(Clone, Copy)]
struct Board {
    queens: usize,
    column: [i8; 15],
}
impl Board {
    fn fits(&self) -> bool {
        let last = self.queens - 1;
        let column = self.column[last] as i32;
        (0..last).all(|row| {
            let (other, rows) = (self.column[row] as i32, (last - row) as i32);
            other != column && other != column - rows && other != column + rows
        })
    }
    fn solutions(&mut self, size: usize) -> i64 {
        if self.queens == size {
            return 1;
        }
        let mut found = 0;
        self.queens += 1;
        for column in 0..size {
            self.column[self.queens - 1] = column as i8;
            if self.fits() {
                found += self.solutions(size);
            }
        }
        self.queens -= 1;
        found
    }
}

pub async fn nqueens(scale: f64) -> f64 {
    const SIZE: usize = 12;
    let repetitions = scaled(1, scale);
    let start = Instant::now();
    for _ in 0..repetitions {
        let found = master_and_workers(Board { queens: 0, column: [0; 15] }, |mut board: Board, more| {
            if board.queens >= 4 {
                return board.solutions(SIZE);
            }
            board.queens += 1;
            for column in 0..SIZE {
                board.column[board.queens - 1] = column as i8;
                if board.fits() {
                    more(board);
                }
            }
            0
        })
        .await;
        ensure(found == 14200, "solutions");
    }
    start.elapsed().as_secs_f64() / repetitions as f64
}

fn split(all: &[i64]) -> (Vec<i64>, Vec<i64>, Vec<i64>) {
    let pivot = all[all.len() / 2];
    let (mut less, mut equal, mut greater) = (vec![], vec![], vec![]);
    for &value in all {
        match value.cmp(&pivot) {
            std::cmp::Ordering::Less => less.push(value),
            std::cmp::Ordering::Equal => equal.push(value),
            std::cmp::Ordering::Greater => greater.push(value),
        }
    }
    (less, equal, greater)
}

fn sort_here(all: &mut [i64]) {
    if all.len() < 2 {
        return;
    }
    let (mut less, equal, mut greater) = split(all);
    sort_here(&mut less);
    sort_here(&mut greater);
    all[..less.len()].copy_from_slice(&less);
    all[less.len()..less.len() + equal.len()].copy_from_slice(&equal);
    all[less.len() + equal.len()..].copy_from_slice(&greater);
}

type Sorted = (Vec<i64>, bool); // whether it is the part above the pivot

fn start_sorter(mut all: Vec<i64>, is_greater: bool, parent: UnboundedSender<Sorted>) {
    tokio::spawn(async move {
        if all.len() <= 2048 {
            sort_here(&mut all);
        } else {
            let (less, equal, greater) = split(&all);
            let place = less.len();
            all[place..place + equal.len()].copy_from_slice(&equal);
            let (me, mut rx) = unbounded_channel();
            let mut parts = 0;
            for (part, is_greater) in [(less, false), (greater, true)] {
                if !part.is_empty() {
                    start_sorter(part, is_greater, me.clone());
                    parts += 1;
                }
            }
            for _ in 0..parts {
                let (part, is_greater) = rx.recv().await.unwrap();
                let begin = if is_greater { all.len() - part.len() } else { 0 };
                all[begin..begin + part.len()].copy_from_slice(&part);
            }
        }
        ensure(parent.send((all, is_greater)).is_ok(), "sorted");
    });
}

pub async fn quicksort(scale: f64) -> f64 {
    let total = scaled(1_000_000, scale);
    let mut seed = Random(1024);
    let values: Vec<i64> = (0..total).map(|_| (seed.next() >> 4) as i64).collect();
    let before: i64 = values.iter().map(|v| v % 1_000_003).sum();
    let (me, mut rx) = unbounded_channel();
    let start = Instant::now();
    start_sorter(values, false, me);
    let (sorted, _) = rx.recv().await.unwrap();
    let value = per_second(total, start);
    ensure(sorted.len() as i64 == total, "length");
    ensure(sorted.windows(2).all(|w| w[0] <= w[1]), "order");
    ensure(sorted.iter().map(|v| v % 1_000_003).sum::<i64>() == before, "the same numbers");
    value
}

// The product, whose blocks are written by one worker each.
struct Shared(UnsafeCell<Vec<f64>>);
unsafe impl Sync for Shared {}

pub async fn matmul(scale: f64) -> f64 {
    let n: usize = if scale < 1.0 { 256 } else { 1024 };
    let a: Vec<f64> = (0..n * n).map(|i| (i / n) as f64).collect();
    let b: Vec<f64> = (0..n * n).map(|i| (i % n) as f64).collect();
    // Written, and not only zero, before the clock starts: as in all peers.
    let mut zeros: Vec<f64> = Vec::with_capacity(n * n);
    zeros.extend((0..n * n).map(|i| std::hint::black_box(i as f64 * 0.0)));
    let c = Arc::new(Shared(UnsafeCell::new(zeros)));
    let product = c.clone();
    let start = Instant::now();
    master_and_workers((0, 0, n), move |(row, column, size): (usize, usize, usize), more| {
        if size * size > 16384 {
            let half = size / 2;
            for quarter in 0..4 {
                more((row + quarter / 2 * half, column + quarter % 2 * half, half));
            }
            return 0;
        }
        for i in row..row + size {
            // Safe: no two workers have the same block.
            let out = unsafe { std::slice::from_raw_parts_mut((*product.0.get()).as_mut_ptr().add(i * n + column), size) };
            for k in 0..n {
                let (x, line) = (a[i * n + k], &b[k * n + column..k * n + column + size]);
                for j in 0..size {
                    out[j] += x * line[j];
                }
            }
        }
        0
    })
    .await;
    let value = per_second((n * n * n) as i64, start);
    let c = unsafe { &*c.0.get() };
    ensure((0..n * n).all(|i| c[i] == (n * (i / n) * (i % n)) as f64), "product");
    value
}

// A number to be sieved, or the end with the primes found so far.
enum Sieve {
    Number(i64),
    End(i64),
}

fn start_filter(prime: i64, mut rx: UnboundedReceiver<Sieve>, done: UnboundedSender<i64>) {
    tokio::spawn(async move {
        let mut primes = vec![prime];
        let mut next: Option<UnboundedSender<Sieve>> = None;
        loop {
            match rx.recv().await.unwrap() {
                Sieve::End(found) => {
                    let found = found + primes.len() as i64;
                    return match next {
                        Some(next) => ensure(next.send(Sieve::End(found)).is_ok(), "end"),
                        None => ensure(done.send(found).is_ok(), "end"),
                    };
                }
                Sieve::Number(i) => {
                    if primes.iter().any(|p| i % p == 0) {
                        continue;
                    }
                    if primes.len() < 1000 {
                        primes.push(i);
                    } else if let Some(next) = &next {
                        ensure(next.send(Sieve::Number(i)).is_ok(), "pass on");
                    } else {
                        let (tx, rx) = unbounded_channel();
                        next = Some(tx);
                        start_filter(i, rx, done.clone());
                    }
                }
            }
        }
    });
}

pub async fn sieve(scale: f64) -> f64 {
    let limit = scaled(100_000, scale).max(10);
    let (first, rx) = unbounded_channel();
    let (done, mut result) = unbounded_channel();
    let start = Instant::now();
    start_filter(2, rx, done);
    for number in (3..=limit).step_by(2) {
        ensure(first.send(Sieve::Number(number)).is_ok(), "send");
    }
    ensure(first.send(Sieve::End(0)).is_ok(), "send");
    let found = result.recv().await.unwrap();
    let value = per_second(limit / 2, start);
    let mut composite = vec![false; limit as usize + 1];
    let mut primes = 0;
    for i in 2..=limit as usize {
        if !composite[i] {
            primes += 1;
            for multiple in (i * i..=limit as usize).step_by(i) {
                composite[multiple] = true;
            }
        }
    }
    ensure(found == primes, "primes");
    value
}
