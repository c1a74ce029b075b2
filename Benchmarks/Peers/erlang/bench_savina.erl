%% Savina's workloads; see ../../WORKLOADS.md. Arithmetic on a shared matrix (matmul) has no form here.
-module(bench_savina).
-export([run/2]).
-compile({nowarn_unused_function, [{spin, 2}, {next, 1}]}).
-include("bench_suite.hrl").

run("count", S) -> count(n(1000000, S));
run("fork_join", S) -> fork_join(60, n(10000, S));
run("fork_create", S) -> fork_create(n(40000, S));
run("thread_ring", S) -> thread_ring(100, n(100000, S));
run("chameneos", S) -> chameneos(100, n(200000, S));
run("dictionary", S) -> dictionary(20, n(10000, S), 524287);
run("bounded_buffer", S) -> bounded_buffer(n(1000, S));
run("philosophers", S) -> philosophers(20, n(10000, S));
run("barber", S) -> barber(n(5000, S));
run("smokers", S) -> smokers(200, n(1000, S));
run("bank", S) -> bank(1000, n(50000, S));
run("nqueens", S) -> nqueens(n(1, S));
run("quicksort", S) -> quicksort(n(1000000, S));
run("sieve", S) -> sieve(max(10, n(100000, S)));
run(_, _) -> unsupported.

%% ---------------------------------------------------------------- count

count(N) ->
    Me = self(),
    Counter = spawn_link(fun() -> counter(0) end),
    T0 = now_ns(),
    spawn_link(fun() -> produce(Counter, N), Counter ! {get, Me} end),
    Counted = receive I -> I end,
    Value = per_second(N, T0),
    N = Counted,
    {Value, "msg/s"}.

produce(_Counter, 0) -> ok;
produce(Counter, N) -> Counter ! 1, produce(Counter, N - 1).

counter(Count) ->
    receive
        I when is_integer(I) -> counter(Count + I);
        {get, From} -> From ! Count
    end.

%% ---------------------------------------------------------------- fork-join

fork_join(Workers, Each) ->
    Me = self(),
    Work = fun() -> true = fork_work(Each, 0.0) > 0, Me ! 1 end,
    %% Off the heap, or each collection would go through all that waits.
    Pids = [spawn_opt(Work, [link, {message_queue_data, off_heap}]) || _ <- lists:seq(1, Workers)],
    T0 = now_ns(),
    fork_send(Pids, Each),
    Workers = sum(Workers, 0),
    {per_second(Workers * Each, T0), "msg/s"}.

fork_send(_Pids, 0) -> ok;
fork_send(Pids, Each) -> [Pid ! 37.2 || Pid <- Pids], fork_send(Pids, Each - 1).

fork_work(0, Sum) -> Sum;
fork_work(N, Sum) -> receive Angle -> Sine = math:sin(Angle), fork_work(N - 1, Sum + Sine * Sine) end.

fork_create(N) ->
    Me = self(),
    T0 = now_ns(),
    %% Another process counts: each collection of one that spawns goes through all that waits in its mailbox.
    Counter = spawn_link(fun() -> Me ! {done, sum(N, 0)} end),
    fork_each(N, Counter),
    receive {done, N} -> ok end,
    {per_second(N, T0), "spawn/s"}.

fork_each(0, _Counter) -> ok;
fork_each(N, Counter) ->
    Pid = spawn(fun() -> true = fork_work(1, 0.0) > 0, Counter ! 1 end),
    Pid ! 37.2,
    fork_each(N - 1, Counter).

%% ---------------------------------------------------------------- thread ring

thread_ring(Links, Hops) ->
    Me = self(),
    First = spawn_link(fun() -> receive {next, Next} -> link_loop(Next, 0, Me) end end),
    Second = lists:foldl(fun(I, Next) -> spawn_link(fun() -> link_loop(Next, I, Me) end) end,
                         First, lists:seq(Links - 1, 1, -1)),
    First ! {next, Second},
    T0 = now_ns(),
    First ! Hops,
    Last = receive {last, I} -> I end,
    Ns = now_ns() - T0,
    Last = Hops rem Links,
    {Ns / Hops, "ns/hop"}.

link_loop(Next, I, Boss) ->
    receive
        0 -> Boss ! {last, I};
        Left -> Next ! Left - 1, link_loop(Next, I, Boss)
    end.

%% ---------------------------------------------------------------- chameneos

chameneos(Creatures, Meetings) ->
    Me = self(),
    Mall = spawn_link(fun() -> mall(Meetings, none, Creatures, 0, Me) end),
    T0 = now_ns(),
    [spawn_link(fun() -> creature_go(Mall, I rem 3), creature(Mall, I rem 3, 0) end) || I <- lists:seq(0, Creatures - 1)],
    Sum = receive S -> S end,
    Value = per_second(Meetings, T0),
    Sum = 2 * Meetings,
    {Value, "meetings/s"}.

mall(_Left, _Waiting, 0, Sum, Boss) -> Boss ! Sum;
mall(Left, Waiting, Creatures, Sum, Boss) ->
    receive
        {meet, Who, _} when Left =:= 0 -> Who ! stop, mall(0, none, Creatures, Sum, Boss);
        {meet, Who, _} when Waiting =:= none -> mall(Left, Who, Creatures, Sum, Boss);
        {meet, _, _} = Meet -> Waiting ! Meet, mall(Left - 1, none, Creatures, Sum, Boss);
        {total, Met} -> mall(Left, Waiting, Creatures - 1, Sum + Met, Boss)
    end.

creature_go(Mall, Colour) -> Mall ! {meet, self(), Colour}.

creature(Mall, Colour, Met) ->
    receive
        {meet, Other, Its} ->
            New = if Colour =:= Its -> Colour; true -> 3 - Colour - Its end,
            Other ! {change, New},
            creature_go(Mall, New),
            creature(Mall, New, Met + 1);
        {change, New} -> creature_go(Mall, New), creature(Mall, New, Met + 1);
        stop -> Mall ! {total, Met}
    end.

%% ---------------------------------------------------------------- dictionary
%% A private ets table: the form that a server with much state has in Erlang.

dictionary(Workers, Each, Keys) ->
    Me = self(),
    Server = spawn_link(fun() ->
        Table = ets:new(dictionary, [set, private]),
        [ets:insert(Table, {K, K}) || K <- lists:seq(0, Keys - 1)],
        Me ! ready,
        dictionary_loop(Table)
    end),
    receive ready -> ok end,
    T0 = now_ns(),
    [spawn_link(fun() -> dictionary_work(Each, Server, I, I * 7919, Keys), Me ! I end) || I <- lists:seq(1, Workers)],
    Sum = sum(Workers, 0),
    Value = per_second(Workers * Each, T0),
    Sum = Workers * (Workers + 1) div 2,
    {Value, "requests/s"}.

dictionary_loop(Table) ->
    receive
        {read, From, Key} ->
            [{_, V}] = ets:lookup(Table, Key),
            From ! {result, Key, V};
        {write, From, Key, V} ->
            ets:insert(Table, {Key, V}),
            From ! {result, Key, V}
    end,
    dictionary_loop(Table).

dictionary_work(0, _, _, _, _) -> ok;
dictionary_work(N, Server, I, Seed0, Keys) ->
    Seed1 = next(Seed0),
    Seed2 = next(Seed1),
    Key = Seed2 rem Keys,
    if Seed1 rem 100 < 10 -> Server ! {write, self(), Key, Key + I * Keys};
       true -> Server ! {read, self(), Key}
    end,
    receive {result, Key, V} -> Key = V rem Keys end,
    dictionary_work(N - 1, Server, I, Seed2, Keys).

%% ---------------------------------------------------------------- bounded buffer

bounded_buffer(Each) ->
    Me = self(),
    {Producers, Consumers} = {40, 40},
    Total = Producers * Each,
    Manager = spawn_link(fun() -> buffer(Total, Consumers, queue:new(), 0, queue:new(), []) end),
    T0 = now_ns(),
    [spawn_link(fun() -> Manager ! {ready, self()}, consumer(Manager, Me, 0, 0.0) end) || _ <- lists:seq(1, Consumers)],
    [begin
         P = spawn_link(fun() -> producer(Manager, I * Each, Each) end),
         P ! produce
     end || I <- lists:seq(0, Producers - 1)],
    Sum = sum(Consumers, 0),
    Value = per_second(Total, T0),
    Sum = Total * (Total - 1) div 2,
    {Value, "items/s"}.

%% Due: items to hand out. Items wait, or producers, or consumers.
buffer(0, Consumers, _, _, _, Ready) when length(Ready) =:= Consumers -> [C ! stop || C <- Ready];
buffer(Due, Consumers, Items, Count, Waiting, Ready) ->
    receive
        {item, From, Item} when Ready =/= [] ->
            [C | Rest] = Ready,
            C ! Item,
            From ! produce,
            buffer(Due - 1, Consumers, Items, Count, Waiting, Rest);
        {item, From, Item} when Count + 1 >= 10 ->
            true = Count < 90,
            buffer(Due, Consumers, queue:in(Item, Items), Count + 1, queue:in(From, Waiting), Ready);
        {item, From, Item} ->
            From ! produce,
            buffer(Due, Consumers, queue:in(Item, Items), Count + 1, Waiting, Ready);
        {ready, C} when Count =:= 0 ->
            buffer(Due, Consumers, Items, Count, Waiting, [C | Ready]);
        {ready, C} ->
            {{value, Item}, Rest} = queue:out(Items),
            C ! Item,
            case queue:out(Waiting) of
                {{value, P}, Others} -> P ! produce, buffer(Due - 1, Consumers, Rest, Count - 1, Others, Ready);
                {empty, _} -> buffer(Due - 1, Consumers, Rest, Count - 1, Waiting, Ready)
            end
    end.

producer(_Manager, _Number, 0) -> ok;
producer(Manager, Number, Left) ->
    receive produce -> ok end,
    Manager ! {item, self(), {Number, item_work(0.0)}},
    producer(Manager, Number + 1, Left - 1).

consumer(Manager, Boss, Sum, Data) ->
    receive
        stop -> true = is_float(Data), Boss ! Sum;
        {Number, Made} ->
            New = item_work(Made),
            Manager ! {ready, self()},
            consumer(Manager, Boss, Sum + Number, New)
    end.

item_work(Start) -> item_work(2500, 25, Start).

item_work(0, _Seed, Sum) -> Sum;
item_work(N, Seed0, Sum) ->
    Seed = next(Seed0),
    item_work(N - 1, Seed, Sum + math:log(Seed / 2147483647 + 0.01)).

%% ---------------------------------------------------------------- philosophers

philosophers(Guests, Rounds) ->
    Me = self(),
    Arbiter = spawn_link(fun() -> arbiter(#{}, Guests, Guests * Rounds, Me) end),
    T0 = now_ns(),
    [spawn_link(fun() -> philosopher(Arbiter, I, Rounds) end) || I <- lists:seq(0, Guests - 1)],
    receive fed -> ok end,
    {per_second(Guests * Rounds, T0), "meals/s"}.

arbiter(Taken, _Guests, 0, Boss) -> 0 = map_size(Taken), Boss ! fed;
arbiter(Taken, Guests, Due, Boss) ->
    receive
        {hungry, From, I} ->
            Right = (I + 1) rem Guests,
            case Taken of
                #{I := _} -> From ! denied, arbiter(Taken, Guests, Due, Boss);
                #{Right := _} -> From ! denied, arbiter(Taken, Guests, Due, Boss);
                _ -> From ! eat, arbiter(Taken#{I => x, Right => x}, Guests, Due, Boss)
            end;
        {done, I} ->
            #{I := x} = Taken,
            arbiter(maps:remove((I + 1) rem Guests, maps:remove(I, Taken)), Guests, Due - 1, Boss)
    end.

philosopher(_Arbiter, _I, 0) -> ok;
philosopher(Arbiter, I, Left) ->
    Arbiter ! {hungry, self(), I},
    receive
        eat -> Arbiter ! {done, I}, philosopher(Arbiter, I, Left - 1);
        denied -> philosopher(Arbiter, I, Left)
    end.

%% ---------------------------------------------------------------- barber

barber(Haircuts) ->
    Me = self(),
    Barber = spawn_link(fun() -> barber_loop(4711) end),
    Room = spawn_link(fun() -> room(Barber, queue:new(), 0, true) end),
    T0 = now_ns(),
    spawn_link(fun() -> factory(Room, Haircuts, 4713), factory_wait(Room, Haircuts), Me ! done end),
    receive done -> ok end,
    {per_second(Haircuts, T0), "haircuts/s"}.

room(Barber, Waiting, Count, Sleeps) ->
    receive
        {enter, C} when Count =:= 1000 -> C ! full, room(Barber, Waiting, Count, Sleeps);
        {enter, C} when Sleeps -> room_next(Barber, queue:in(C, Waiting), Count + 1);
        {enter, C} -> C ! wait, room(Barber, queue:in(C, Waiting), Count + 1, Sleeps);
        next -> room_next(Barber, Waiting, Count)
    end.

room_next(Barber, Waiting, 0) -> Barber ! wait, room(Barber, Waiting, 0, true);
room_next(Barber, Waiting, Count) ->
    {{value, C}, Rest} = queue:out(Waiting),
    Barber ! {enter, C, self()},
    room(Barber, Rest, Count - 1, false).

barber_loop(Seed0) ->
    receive
        {enter, C, Room} ->
            C ! start,
            Seed1 = next(Seed0),
            Seed2 = spin(Seed1, Seed1 rem 1000 + 10),
            C ! done,
            Room ! next,
            barber_loop(Seed2);
        wait -> barber_loop(Seed0)
    end.

customer(Factory) ->
    receive
        full -> Factory ! {returned, self()}, customer(Factory);
        done -> Factory ! done;
        _ -> customer(Factory)
    end.

factory(_Room, 0, _Seed) -> ok;
factory(Room, N, Seed0) ->
    Me = self(),
    Room ! {enter, spawn(fun() -> customer(Me) end)},
    Seed1 = next(Seed0),
    factory(Room, N - 1, spin(Seed1, Seed1 rem 1000 + 10)).

factory_wait(_Room, 0) -> ok;
factory_wait(Room, Left) ->
    receive
        {returned, C} -> Room ! {enter, C}, factory_wait(Room, Left);
        done -> factory_wait(Room, Left - 1)
    end.

%% ---------------------------------------------------------------- smokers

smokers(Count, Rounds) ->
    Me = self(),
    T0 = now_ns(),
    spawn_link(fun() ->
        Smokers = list_to_tuple([spawn_link(fun smoker/0) || _ <- lists:seq(1, Count)]),
        Me ! smoke(Smokers, Rounds, 4711, 0)
    end),
    Started = receive S -> S end,
    Value = per_second(Rounds, T0),
    Started = Rounds,
    {Value, "rounds/s"}.

smoke(_Smokers, Rounds, _Seed, Rounds) -> Rounds;
smoke(Smokers, Rounds, Seed0, Started) ->
    Seed1 = next(Seed0),
    Seed2 = next(Seed1),
    element(Seed1 rem tuple_size(Smokers) + 1, Smokers) ! {smoke, self(), Seed2 rem 1000 + 10},
    receive started -> smoke(Smokers, Rounds, Seed2, Started + 1) end.

smoker() ->
    receive {smoke, Arbiter, Steps} -> Arbiter ! started, true = spin(1, Steps) > 0, smoker() end.

%% ---------------------------------------------------------------- bank

bank(Accounts, Transactions) ->
    Pids = list_to_tuple([spawn_link(fun() -> account(0) end) || _ <- lists:seq(1, Accounts)]),
    T0 = now_ns(),
    bank_send(Transactions, Pids, Accounts, 4711, self()),
    Transactions = sum(Transactions, 0),
    Value = per_second(Transactions, T0),
    [P ! {balance, self()} || P <- tuple_to_list(Pids)],
    0 = sum(Accounts, 0),
    {Value, "transactions/s"}.

bank_send(0, _, _, _, _) -> ok;
bank_send(N, Pids, Accounts, Seed0, Me) ->
    Seed1 = next(Seed0),
    Seed2 = next(Seed1),
    Seed3 = next(Seed2),
    From = Seed1 rem (Accounts div 10 * 8),
    To = From + 1 + Seed2 rem (Accounts - From - 1),
    element(From + 1, Pids) ! {credit, Me, Seed3 rem 1000, element(To + 1, Pids)},
    bank_send(N - 1, Pids, Accounts, Seed3, Me).

account(Balance) ->
    receive
        {credit, Teller, Amount, To} ->
            Ref = make_ref(),
            To ! {debit, self(), Ref, Amount},
            receive {Ref, ok} -> ok end,
            Teller ! 1,
            account(Balance - Amount);
        {debit, From, Ref, Amount} -> From ! {Ref, ok}, account(Balance + Amount);
        {balance, From} -> From ! Balance, account(Balance)
    end.

%% ---------------------------------------------------------------- N-queens

nqueens(Repetitions) ->
    Me = self(),
    T0 = now_ns(),
    [begin
         spawn_link(fun() -> Me ! queens_master() end),
         14200 = receive S -> S end
     end || _ <- lists:seq(1, Repetitions)],
    {(now_ns() - T0) / 1.0e9 / Repetitions, "s"}.

queens_master() ->
    Me = self(),
    Workers = list_to_tuple([spawn_link(fun() -> queens_worker(Me) end) || _ <- lists:seq(1, 20)]),
    element(1, Workers) ! {work, []},
    queens_hand_out(Workers, 1, 1, 0).

queens_hand_out(_Workers, _Next, 0, Found) -> Found;
queens_hand_out(Workers, Next, Outstanding, Found) ->
    receive
        {work, _} = Work ->
            element(Next rem 20 + 1, Workers) ! Work,
            queens_hand_out(Workers, Next + 1, Outstanding + 1, Found);
        {done, More} -> queens_hand_out(Workers, Next, Outstanding - 1, Found + More)
    end.

queens_worker(Master) ->
    receive
        {work, Board} when length(Board) < 4 ->
            [Master ! {work, [C | Board]} || C <- lists:seq(0, 11), queen_fits(C, Board, 1)],
            Master ! {done, 0};
        {work, Board} -> Master ! {done, queens(Board, length(Board))}
    end,
    queens_worker(Master).

%% The board lists the columns, the last queen first.
queen_fits(_C, [], _Rows) -> true;
queen_fits(C, [Other | Board], Rows) ->
    Other =/= C andalso Other =/= C - Rows andalso Other =/= C + Rows andalso queen_fits(C, Board, Rows + 1).

queens(_Board, 12) -> 1;
queens(Board, Placed) -> queens(Board, Placed, 0, 0).

queens(_Board, _Placed, 12, Found) -> Found;
queens(Board, Placed, C, Found) ->
    case queen_fits(C, Board, 1) of
        true -> queens(Board, Placed, C + 1, Found + queens([C | Board], Placed + 1));
        false -> queens(Board, Placed, C + 1, Found)
    end.

%% ---------------------------------------------------------------- quicksort
%% The numbers go in messages, as lists; Erlang copies them.

quicksort(N) ->
    {Values, _} = lists:mapfoldl(fun(_, Seed) -> X = next(Seed), {X, X} end, 1024, lists:seq(1, N)),
    Before = lists:sum(Values),
    Me = self(),
    T0 = now_ns(),
    spawn_link(fun() -> Me ! {sorted, sorter(Values)} end),
    Sorted = receive {sorted, L} -> L end,
    Value = per_second(N, T0),
    N = length(Sorted),
    Before = lists:sum(Sorted),
    true = is_sorted(Sorted),
    {Value, "values/s"}.

is_sorted([A | [B | _] = Rest]) -> A =< B andalso is_sorted(Rest);
is_sorted(_) -> true.

sorter(Values) ->
    case length(Values) of
        N when N =< 2048 -> sort_here(Values);
        N ->
            {Less, Equal, Greater} = split(Values, lists:nth(N div 2 + 1, Values)),
            L = sorter_start(Less),
            G = sorter_start(Greater),
            sorter_wait(L) ++ Equal ++ sorter_wait(G)
    end.

sorter_start([]) -> none;
sorter_start(Part) ->
    Me = self(),
    spawn_link(fun() -> Me ! {self(), sorter(Part)} end).

sorter_wait(none) -> [];
sorter_wait(Pid) -> receive {Pid, Sorted} -> Sorted end.

sort_here([]) -> [];
sort_here([_] = Values) -> Values;
sort_here(Values) ->
    {Less, Equal, Greater} = split(Values, lists:nth(length(Values) div 2 + 1, Values)),
    sort_here(Less) ++ Equal ++ sort_here(Greater).

split(Values, Pivot) -> split(Values, Pivot, [], [], []).

split([], _, L, E, G) -> {L, E, G};
split([V | Rest], Pivot, L, E, G) when V < Pivot -> split(Rest, Pivot, [V | L], E, G);
split([V | Rest], Pivot, L, E, G) when V > Pivot -> split(Rest, Pivot, L, E, [V | G]);
split([V | Rest], Pivot, L, E, G) -> split(Rest, Pivot, L, [V | E], G).

%% ---------------------------------------------------------------- sieve

sieve(Limit) ->
    Me = self(),
    T0 = now_ns(),
    First = spawn_link(fun() -> filter([2], 1, none, Me) end),
    sieve_send(3, Limit, First),
    First ! {'end', 0},
    Found = receive {primes, P} -> P end,
    Value = per_second(Limit div 2, T0),
    Found = primes(Limit),
    {Value, "numbers/s"}.

sieve_send(I, Limit, _First) when I > Limit -> ok;
sieve_send(I, Limit, First) -> First ! I, sieve_send(I + 2, Limit, First).

%% Primes in the order found; a full filter stops growing.
filter(Primes, Count, Next, Boss) when Count < 1000 ->
    receive
        {'end', Sum} -> Boss ! {primes, Sum + Count};
        I -> case divides(Primes, I) of
                 true -> filter(Primes, Count, Next, Boss);
                 false -> filter(Primes ++ [I], Count + 1, Next, Boss)
             end
    end;
filter(Primes, Count, Next, Boss) ->
    receive
        {'end', Sum} when Next =:= none -> Boss ! {primes, Sum + Count};
        {'end', Sum} -> Next ! {'end', Sum + Count};
        I -> case divides(Primes, I) of
                 true -> filter(Primes, Count, Next, Boss);
                 false when Next =:= none ->
                     filter(Primes, Count, spawn_link(fun() -> filter([I], 1, none, Boss) end), Boss);
                 false -> Next ! I, filter(Primes, Count, Next, Boss)
             end
    end.

divides([P | _], I) when I rem P =:= 0 -> true;
divides([_ | Primes], I) -> divides(Primes, I);
divides([], _) -> false.

%% The number of primes up to Limit, by trial division.
primes(Limit) -> 1 + length([I || I <- lists:seq(3, Limit, 2), is_prime(I, 3)]).

is_prime(I, D) when D * D > I -> true;
is_prime(I, D) when I rem D =:= 0 -> false;
is_prime(I, D) -> is_prime(I, D + 2).
