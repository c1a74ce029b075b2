// suite.cpp - see suite.hpp. An actor is an event_based_actor, a message is sent with `send`; main waits in a scoped actor.
#include "suite.hpp"

#include "../apus-c/kernels.h"

#include <atomic>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <map>
#include <thread>
#include <unordered_map>
#include <vector>

using namespace caf;
using clock_type = std::chrono::steady_clock;

namespace {

struct number {
  int64_t value;
};
struct meet {
  actor who;
  int64_t colour;
};
struct change {
  int64_t colour;
};
struct stop {};
struct total {
  int64_t value;
};
struct entry {
  int64_t key, value;
  bool writes;
};
struct fork_request {
  int64_t number;
  bool done;
};
struct allowed {
  bool yes;
};
struct data {
  int64_t words[13];
};
struct question {};
struct slice {
  int64_t* values;
  int64_t count;
  bool greater;
};
struct block {
  int64_t row, column, size;
};
struct bytes {
  std::vector<int64_t> words;
};

} // namespace

CAF_ALLOW_UNSAFE_MESSAGE_TYPE(number)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(meet)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(change)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(stop)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(total)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(entry)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(fork_request)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(allowed)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(data)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(question)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(slice)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(block)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(bytes)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(kernel_board)

namespace {

struct context {
  actor_system& system;
  double scale;
  scoped_actor self;
  explicit context(actor_system& s, double x) : system(s), scale(x), self(s) {}
  int64_t scaled(int64_t count) const {
    auto n = static_cast<int64_t>(static_cast<double>(count) * scale + 0.5);
    return n < 1 ? 1 : n;
  }
  // The sum of `count` numbers sent to main.
  int64_t sum(int64_t count) {
    int64_t sum = 0;
    for (int64_t i = 0; i < count; ++i)
      self->receive([&](number n) { sum += n.value; });
    return sum;
  }
  actor me() { return actor{self}; }
};

void check(bool ok, const char* what) {
  if (ok) return;
  fprintf(stderr, "caf: check failed: %s\n", what);
  _Exit(1);
}

double seconds(clock_type::time_point since) { return std::chrono::duration<double>(clock_type::now() - since).count(); }

uint64_t next(uint64_t& seed) {
  seed ^= seed << 13;
  seed ^= seed >> 7;
  seed ^= seed << 17;
  return seed;
}

double count(context& c) {
  auto messages = c.scaled(1000000);
  auto counter = c.system.spawn([](event_based_actor* self) -> behavior {
    auto sum = std::make_shared<int64_t>(0);
    return {[=](number n) { *sum += n.value; }, [=](const meet& get) { self->send(get.who, number{*sum}); self->quit(); }};
  });
  auto start = clock_type::now();
  c.system.spawn([=, boss = c.me()](event_based_actor* self) {
    for (int64_t i = 0; i < messages; ++i) self->send(counter, number{1});
    self->send(counter, meet{boss, 0});
  });
  auto counted = c.sum(1);
  auto value = static_cast<double>(messages) / seconds(start);
  check(counted == messages, "count");
  return value;
}

double fork_join(context& c) {
  constexpr int workers = 60;
  auto each = c.scaled(10000);
  std::vector<actor> all;
  for (int i = 0; i < workers; ++i)
    all.push_back(c.system.spawn([=, boss = c.me()](event_based_actor* self) -> behavior {
      auto left = std::make_shared<int64_t>(each);
      auto sum = std::make_shared<double>(0);
      return {[=](double angle) {
        auto sine = std::sin(angle);
        *sum += sine * sine;
        if (--*left > 0) return;
        check(*sum > 0, "sum of squares");
        self->send(boss, number{1});
        self->quit();
      }};
    }));
  auto start = clock_type::now();
  for (int64_t k = 0; k < each; ++k)
    for (auto& worker : all) anon_send(worker, 37.2);
  auto done = c.sum(workers);
  auto value = static_cast<double>(workers * each) / seconds(start);
  check(done == workers, "workers");
  return value;
}

double fork_create(context& c) {
  auto all = c.scaled(40000);
  auto start = clock_type::now();
  for (int64_t i = 0; i < all; ++i)
    anon_send(c.system.spawn([boss = c.me()](event_based_actor* self) -> behavior {
      return {[=](double angle) {
        auto sine = std::sin(angle);
        check(sine * sine > 0, "square");
        self->send(boss, number{1});
        self->quit();
      }};
    }), 37.2);
  auto done = c.sum(all);
  auto value = static_cast<double>(all) / seconds(start);
  check(done == all, "workers");
  return value;
}

std::vector<actor> ring; // and the holders of million

double thread_ring(context& c) {
  constexpr int links = 100;
  auto hops = c.scaled(100000);
  for (int i = 0; i < links; ++i)
    ring.push_back(c.system.spawn([=, boss = c.me()](event_based_actor* self) -> behavior {
      return {[=](int64_t left) {
        if (left > 0) self->send(ring[(i + 1) % links], left - 1);
        else self->send(boss, number{i});
      }};
    }));
  auto start = clock_type::now();
  anon_send(ring[0], hops);
  auto last = c.sum(1);
  auto value = seconds(start) * 1e9 / static_cast<double>(hops);
  check(last == hops % links, "where it ends");
  return value;
}

struct mall : event_based_actor {
  actor boss, waiting;
  int64_t left, gone = 0, met = 0;
  mall(actor_config& config, actor b, int64_t meetings) : event_based_actor(config), boss(std::move(b)), left(meetings) {}
  behavior make_behavior() override {
    return {[this](const meet& m) {
              if (left == 0) {
                send(m.who, stop{});
              } else if (!waiting) {
                waiting = m.who;
              } else {
                send(waiting, m);
                waiting = nullptr;
                --left;
              }
            },
            [this](total t) {
              met += t.value;
              if (++gone == 100) {
                send(boss, number{met});
                quit();
              }
            }};
  }
};

struct creature : event_based_actor {
  actor place;
  int64_t colour, met = 0;
  creature(actor_config& config, actor p, int64_t c) : event_based_actor(config), place(std::move(p)), colour(c) {}
  void go() { send(place, meet{actor{this}, colour}); }
  behavior make_behavior() override {
    go();
    return {[this](const meet& other) {
              colour = colour == other.colour ? colour : 3 - colour - other.colour;
              send(other.who, change{colour});
              ++met;
              go();
            },
            [this](change c) {
              colour = c.colour;
              ++met;
              go();
            },
            [this](stop) {
              send(place, total{met});
              quit();
            }};
  }
};

double chameneos(context& c) {
  auto meetings = c.scaled(200000);
  auto place = c.system.spawn<mall>(c.me(), meetings);
  auto start = clock_type::now();
  for (int i = 0; i < 100; ++i) c.system.spawn<creature>(place, i % 3);
  auto met = c.sum(1);
  auto value = static_cast<double>(meetings) / seconds(start);
  check(met == 2 * meetings, "two at each meeting");
  return value;
}

struct reader : event_based_actor {
  actor server, boss;
  int64_t index, left;
  uint64_t seed;
  reader(actor_config& config, actor s, actor b, int64_t i, int64_t n)
    : event_based_actor(config), server(std::move(s)), boss(std::move(b)), index(i), left(n), seed(static_cast<uint64_t>(i) * 7919) {}
  void ask() {
    bool writes = next(seed) % 100 < 10;
    auto key = static_cast<int64_t>(next(seed) % 524287);
    send(server, entry{key, key + index * 524287, writes});
  }
  behavior make_behavior() override {
    ask();
    return {[this](const entry& answer) {
      check(answer.value % 524287 == answer.key, "value of the key");
      if (--left > 0) {
        ask();
      } else {
        send(boss, number{index});
        quit();
      }
    }};
  }
};

double dictionary(context& c) {
  auto each = c.scaled(10000);
  auto table = std::make_shared<std::unordered_map<int64_t, int64_t>>();
  table->reserve(524287);
  for (int64_t k = 0; k < 524287; ++k) (*table)[k] = k;
  auto server = c.system.spawn([table](event_based_actor* self) -> behavior {
    return {[=](const entry& asked) {
      auto& value = (*table)[asked.key];
      if (asked.writes) value = asked.value;
      self->send(actor_cast<actor>(self->current_sender()), entry{asked.key, value, false});
    }};
  });
  auto start = clock_type::now();
  for (int64_t i = 1; i <= 20; ++i) c.system.spawn<reader>(server, c.me(), i, each);
  auto done = c.sum(20);
  auto value = static_cast<double>(20 * each) / seconds(start);
  check(done == 210, "workers");
  return value;
}

struct philosopher : event_based_actor {
  actor arbiter;
  int64_t index, left;
  philosopher(actor_config& config, actor a, int64_t i, int64_t n) : event_based_actor(config), arbiter(std::move(a)), index(i), left(n) {}
  behavior make_behavior() override {
    send(arbiter, fork_request{index, false});
    return {[this](allowed a) {
      if (a.yes) {
        send(arbiter, fork_request{index, true});
        if (--left == 0) {
          quit();
          return;
        }
      }
      send(arbiter, fork_request{index, false});
    }};
  }
};

double philosophers(context& c) {
  constexpr int64_t guests = 20;
  auto rounds = c.scaled(10000);
  auto arbiter = c.system.spawn([=, boss = c.me()](event_based_actor* self) -> behavior {
    auto taken = std::make_shared<std::vector<bool>>(guests);
    auto meals = std::make_shared<int64_t>(0);
    return {[=](fork_request asked) {
      auto left = static_cast<size_t>(asked.number), right = (left + 1) % guests;
      auto& forks = *taken;
      if (asked.done) {
        check(forks[left] && forks[right], "forks are put back that were taken");
        forks[left] = forks[right] = false;
        if (++*meals == guests * rounds) {
          self->send(boss, number{*meals});
          self->quit();
        }
        return;
      }
      bool free = !forks[left] && !forks[right];
      if (free) forks[left] = forks[right] = true;
      self->send(actor_cast<actor>(self->current_sender()), allowed{free});
    }};
  });
  auto start = clock_type::now();
  for (int64_t i = 0; i < guests; ++i) c.system.spawn<philosopher>(arbiter, i, rounds);
  auto meals = c.sum(1);
  auto value = static_cast<double>(meals) / seconds(start);
  check(meals == guests * rounds, "meals");
  return value;
}

double smokers(context& c) {
  auto rounds = c.scaled(1000);
  auto start = clock_type::now();
  c.system.spawn([=, boss = c.me()](event_based_actor* self) -> behavior {
    auto all = std::make_shared<std::vector<actor>>();
    for (int i = 0; i < 200; ++i)
      all->push_back(self->spawn([](event_based_actor* smoker) -> behavior {
        return {[=](int64_t steps) {
          smoker->send(actor_cast<actor>(smoker->current_sender()), number{1});
          uint64_t seed = 1;
          for (int64_t k = 0; k < steps; ++k) next(seed);
          check(seed != 0, "spin");
        }};
      }));
    auto seed = std::make_shared<uint64_t>(88172645463325252u);
    auto started = std::make_shared<int64_t>(0);
    auto choose = [=] {
      auto& chosen = (*all)[next(*seed) % 200];
      self->send(chosen, static_cast<int64_t>(next(*seed) % 1000) + 10);
    };
    choose();
    return {[=](number) {
      if (++*started < rounds) {
        choose();
      } else {
        self->send(boss, number{*started});
        self->quit();
      }
    }};
  });
  auto started = c.sum(1);
  auto value = static_cast<double>(rounds) / seconds(start);
  check(started == rounds, "rounds");
  return value;
}

// A master that hands work out to 20 workers in turn and takes back what they have, until nothing is outstanding.
template <class Piece>
void master_and_workers(context& c, Piece first, std::function<int64_t(const Piece&, const std::function<void(const Piece&)>&)> work) {
  c.system.spawn([=, boss = c.me()](event_based_actor* self) -> behavior {
    auto workers = std::make_shared<std::vector<actor>>();
    for (int i = 0; i < 20; ++i)
      workers->push_back(self->spawn([=](event_based_actor* worker) -> behavior {
        return {[=](const Piece& piece) {
          auto master = actor_cast<actor>(worker->current_sender());
          worker->send(master, number{work(piece, [&](const Piece& more) { worker->send(master, more); })});
        }};
      }));
    auto given = std::make_shared<int64_t>(0), outstanding = std::make_shared<int64_t>(0), found = std::make_shared<int64_t>(0);
    auto give = [=](const Piece& piece) {
      ++*outstanding;
      self->send((*workers)[static_cast<size_t>((*given)++ % 20)], piece);
    };
    give(first);
    return {give, [=](number n) {
              *found += n.value;
              if (--*outstanding == 0) {
                self->send(boss, number{*found});
                self->quit();
              }
            }};
  });
}

double nqueens(context& c) {
  auto repetitions = c.scaled(1);
  auto start = clock_type::now();
  for (int64_t i = 0; i < repetitions; ++i) {
    master_and_workers<kernel_board>(c, kernel_board{}, [](const kernel_board& board, const std::function<void(const kernel_board&)>& more) -> int64_t {
      auto longer = board;
      if (board.queens >= 4) return kernel_queens(&longer, 12);
      longer.queens++;
      for (int column = 0; column < 12; ++column) {
        longer.column[board.queens] = static_cast<int8_t>(column);
        if (kernel_board_fits(&longer)) more(longer);
      }
      return 0;
    });
    check(c.sum(1) == 14200, "solutions");
  }
  return seconds(start) / static_cast<double>(repetitions);
}

double matmul(context& c) {
  int64_t n = c.scale < 1 ? 256 : 1024;
  std::vector<double> a(static_cast<size_t>(n * n)), b(a.size()), product(a.size());
  for (int64_t i = 0; i < n * n; ++i) {
    a[static_cast<size_t>(i)] = static_cast<double>(i / n);
    b[static_cast<size_t>(i)] = static_cast<double>(i % n);
  }
  auto start = clock_type::now();
  master_and_workers<block>(c, block{0, 0, n}, [&](const block& p, const std::function<void(const block&)>& more) -> int64_t {
    if (p.size * p.size > 16384) {
      auto half = p.size / 2;
      for (int quarter = 0; quarter < 4; ++quarter) more(block{p.row + quarter / 2 * half, p.column + quarter % 2 * half, half});
    } else {
      kernel_multiply(a.data(), b.data(), product.data(), n, p.row, p.column, p.size);
    }
    return 0;
  });
  c.sum(1);
  auto value = static_cast<double>(n * n * n) / seconds(start);
  for (int64_t i = 0; i < n * n; ++i) check(product[static_cast<size_t>(i)] == static_cast<double>(n * (i / n) * (i % n)), "product");
  return value;
}

struct sorter : event_based_actor {
  actor parent;
  slice all;
  int parts = 0;
  sorter(actor_config& config, actor p, slice s) : event_based_actor(config), parent(std::move(p)), all(s) {}
  void hand_out(kernel_slice part, bool greater) {
    if (part.count == 0) return;
    auto own = static_cast<int64_t*>(malloc(static_cast<size_t>(part.count) * sizeof(int64_t)));
    memcpy(own, part.values, static_cast<size_t>(part.count) * sizeof(int64_t));
    spawn<sorter>(actor{this}, slice{own, part.count, greater});
    ++parts;
  }
  behavior make_behavior() override {
    if (all.count <= 2048) {
      kernel_sort(kernel_slice{all.values, all.count});
      send(parent, all);
      return {};
    }
    auto split = kernel_split(kernel_slice{all.values, all.count});
    memcpy(all.values + split.less.count, split.equal.values, static_cast<size_t>(split.equal.count) * sizeof(int64_t));
    hand_out(split.less, false);
    hand_out(split.greater, true);
    free(split.less.values);
    if (parts == 0) {
      send(parent, all);
      return {};
    }
    return {[this](const slice& part) {
      memcpy(part.greater ? all.values + all.count - part.count : all.values, part.values, static_cast<size_t>(part.count) * sizeof(int64_t));
      free(part.values);
      if (--parts == 0) {
        send(parent, all);
        quit();
      }
    }};
  }
};

double quicksort(context& c) {
  auto n = c.scaled(1000000);
  auto values = static_cast<int64_t*>(malloc(static_cast<size_t>(n) * sizeof(int64_t)));
  uint64_t seed = 1024;
  int64_t before = 0, after = 0;
  for (int64_t i = 0; i < n; ++i) {
    values[i] = static_cast<int64_t>(next(seed) >> 4);
    before += values[i] % 1000003;
  }
  auto start = clock_type::now();
  c.system.spawn<sorter>(c.me(), slice{values, n, false});
  slice sorted{};
  c.self->receive([&](const slice& s) { sorted = s; });
  auto value = static_cast<double>(n) / seconds(start);
  check(sorted.count == n, "length");
  for (int64_t i = 0; i < n; ++i) {
    check(i == 0 || sorted.values[i - 1] <= sorted.values[i], "order");
    after += sorted.values[i] % 1000003;
  }
  check(before == after, "the same numbers");
  return value;
}

struct receiver : event_based_actor {
  actor boss;
  int64_t ended = 0, received = 0;
  receiver(actor_config& config, actor b) : event_based_actor(config), boss(std::move(b)) {}
  behavior make_behavior() override {
    return {[this](const data& d) { received += d.words[12]; },
            [this](question) { send(actor_cast<actor>(current_sender()), question{}); },
            [this](stop) {
              if (++ended == 20) {
                send(boss, number{received});
                quit();
              }
            }};
  }
};

// Sends a hundred to all, asks whether they keep up, and goes on when all have answered: the last of the hundred goes to each with
// its answer.
struct sender : event_based_actor {
  std::vector<actor> receivers;
  int64_t left, answers = 0;
  sender(actor_config& config, std::vector<actor> r, int64_t n) : event_based_actor(config), receivers(std::move(r)), left(n) {}
  void send_data(const actor& to) { send(to, data{{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 1}}); }
  void send_some() {
    int64_t now = left > 100 ? 99 : left;
    for (int64_t k = 0; k < now; ++k)
      for (auto& r : receivers) send_data(r);
    for (auto& r : receivers) {
      if (left > 100) send(r, question{});
      else send(r, stop{});
    }
    if (left <= 100) quit();
  }
  behavior make_behavior() override {
    send_some();
    return {[this](question) {
      send_data(actor_cast<actor>(current_sender()));
      if (++answers % 20 == 0) {
        left -= 100;
        send_some();
      }
    }};
  }
};

double ehb(context& c) {
  auto loops = c.scaled(250), messages = loops * 50 * 20 * 20;
  auto start = clock_type::now();
  for (int g = 0; g < 50; ++g) {
    std::vector<actor> receivers;
    for (int i = 0; i < 20; ++i) receivers.push_back(c.system.spawn<receiver>(c.me()));
    for (int i = 0; i < 20; ++i) c.system.spawn<sender>(receivers, loops);
  }
  auto received = c.sum(50 * 20);
  auto value = static_cast<double>(messages) / seconds(start);
  check(received == messages, "messages");
  return value;
}

double mbrot(context& c) {
  auto workers = c.scaled(200);
  auto start = clock_type::now();
  for (int64_t i = 0; i < workers; ++i)
    c.system.spawn([boss = c.me()](event_based_actor* self) { self->send(boss, number{kernel_mandelbrot(100)}); });
  auto sum = c.sum(workers);
  auto value = static_cast<double>(workers * 100 * 100) / seconds(start);
  check(sum == workers * kernel_mandelbrot(100), "iterations");
  return value;
}

double fanin(context& c) {
  constexpr int64_t threads = 4;
  auto each = c.scaled(500000);
  auto sink = c.system.spawn([=, boss = c.me()](event_based_actor* self) -> behavior {
    auto left = std::make_shared<int64_t>(threads * each), sum = std::make_shared<int64_t>(0);
    return {[=](int64_t i) {
      *sum += i;
      if (--*left == 0) {
        self->send(boss, number{*sum});
        self->quit();
      }
    }};
  });
  std::vector<std::thread> all;
  auto start = clock_type::now();
  for (int t = 0; t < threads; ++t)
    all.emplace_back([=] {
      for (int64_t i = 1; i <= each; ++i) anon_send(sink, i);
    });
  auto sum = c.sum(1);
  auto value = static_cast<double>(threads * each) / seconds(start);
  for (auto& t : all) t.join();
  check(sum == threads * (each * (each + 1) / 2), "sum");
  return value;
}

double size_of(context& c, int64_t size, int64_t messages) {
  auto n = c.scaled(messages), words = size / 8;
  auto receiver = c.system.spawn([](event_based_actor* self) -> behavior {
    return {[=](const bytes& message) {
      int64_t sum = 0;
      for (auto word : message.words) sum += word;
      self->send(actor_cast<actor>(self->current_sender()), number{sum});
    }};
  });
  auto start = clock_type::now();
  c.system.spawn([=, boss = c.me()](event_based_actor* self) -> behavior {
    auto buffer = std::make_shared<bytes>();
    for (int64_t i = 0; i < words; ++i) buffer->words.push_back(i + 1);
    auto left = std::make_shared<int64_t>(n), due = std::make_shared<int64_t>(n), sum = std::make_shared<int64_t>(0);
    auto send_one = [=] {
      if (*left > 0) {
        --*left;
        self->send(receiver, bytes{*buffer});
      }
    };
    for (int i = 0; i < 8; ++i) send_one();
    return {[=](number taken) {
      *sum += taken.value;
      send_one();
      if (--*due == 0) {
        self->send(boss, number{*sum});
        self->quit();
      }
    }};
  });
  auto sum = c.sum(1);
  auto value = static_cast<double>(n * size) / seconds(start);
  check(sum == n * (words * (words + 1) / 2), "sum of all words");
  return value;
}

double million(context& c) {
  auto n = c.scaled(1000000);
  ring.resize(static_cast<size_t>(n));
  for (int64_t i = 0; i < n; ++i)
    ring[static_cast<size_t>(i)] = c.system.spawn([=, boss = c.me()](event_based_actor* self) -> behavior {
      return {[=](int64_t left) {
        if (left > 0) self->send(ring[static_cast<size_t>((i + 7919) % n)], left - 1);
        else self->send(boss, number{i});
      }};
    });
  auto start = clock_type::now();
  for (auto& holder : ring) anon_send(holder, int64_t{4});
  auto sum = c.sum(n);
  auto value = static_cast<double>(n * 6) / seconds(start);
  check(sum == n * (n - 1) / 2, "each token once");
  return value;
}

struct entry_of_suite {
  const char* unit;
  std::function<double(context&)> run;
};

const std::map<std::string, entry_of_suite> suite = {
  {"count", {"msg/s", count}},
  {"fork_join", {"msg/s", fork_join}},
  {"fork_create", {"spawn/s", fork_create}},
  {"thread_ring", {"ns/hop", thread_ring}},
  {"chameneos", {"meetings/s", chameneos}},
  {"dictionary", {"requests/s", dictionary}},
  {"philosophers", {"meals/s", philosophers}},
  {"smokers", {"rounds/s", smokers}},
  {"nqueens", {"s", nqueens}},
  {"quicksort", {"values/s", quicksort}},
  {"matmul", {"multiply-adds/s", matmul}},
  {"ehb", {"msg/s", ehb}},
  {"mbrot", {"points/s", mbrot}},
  {"fanin", {"msg/s", fanin}},
  {"size_64", {"bytes/s", [](context& c) { return size_of(c, 64, 1000000); }}},
  {"size_1k", {"bytes/s", [](context& c) { return size_of(c, 1024, 500000); }}},
  {"size_16k", {"bytes/s", [](context& c) { return size_of(c, 16384, 100000); }}},
  {"size_256k", {"bytes/s", [](context& c) { return size_of(c, 262144, 10000); }}},
  {"size_1m", {"bytes/s", [](context& c) { return size_of(c, 1048576, 2500); }}},
  {"million", {"msg/s", million}},
};

} // namespace

bool run_suite(actor_system& system, const std::string& workload, int cores, double scale) {
  auto found = suite.find(workload);
  if (found == suite.end()) return false;
  context c{system, scale};
  auto value = found->second.run(c);
  printf("caf,%s,%d,%.4f,%s\n", workload.c_str(), cores, value, found->second.unit);
  fflush(stdout);
  _Exit(0); // what is left of a workload only waits
}
