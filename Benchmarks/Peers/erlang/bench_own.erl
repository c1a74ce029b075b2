%% Our own workloads; see ../../WORKLOADS.md. Threads that are none of the runtime's (fanin, call_thread) have no form without a NIF.
-module(bench_own).
-export([run/2]).
-compile({nowarn_unused_function, [{spin, 2}, {next, 1}]}).
-include("bench_suite.hrl").

run("storm", S) -> storm(1000, n(20, S));
run("selective", S) -> selective(n(200, S));
run("selective_call", S) -> selective_call(n(200000, S));
run("echo", S) -> echo(n(100000, S));
run("size_64", S) -> sizes(64, n(1000000, S));
run("size_1k", S) -> sizes(1024, n(500000, S));
run("size_16k", S) -> sizes(16384, n(100000, S));
run("size_256k", S) -> sizes(262144, n(10000, S));
run("size_1m", S) -> sizes(1048576, n(2500, S));
run("idle_cpu", S) -> idle_cpu(10000, round(2000 * S));
run("latency", S) -> latency(64, round(1.0e9 * S));
run("million", S) -> million(n(1000000, S));
run(_, _) -> unsupported.

%% ---------------------------------------------------------------- storm

storm(N, Rounds) ->
    ok = logger:set_primary_config(level, none),
    process_flag(trap_exit, true),
    {ok, Sup} = bench_storm_sup:start_link(N, self()),
    First = hellos(N, #{}),
    T0 = now_ns(),
    storm_rounds(Rounds, N, First),
    Value = per_second(N * Rounds, T0),
    N = proplists:get_value(active, supervisor:count_children(Sup)),
    receive {hello, _, _} -> exit(extra_restart) after 0 -> ok end,
    {Value, "restarts/s"}.

storm_rounds(0, _, _) -> ok;
storm_rounds(Rounds, N, Children) ->
    [Pid ! crash || Pid <- maps:values(Children)],
    New = hellos(N, #{}),
    true = lists:all(fun({I, Pid}) -> Pid =/= maps:get(I, Children) end, maps:to_list(New)),
    storm_rounds(Rounds - 1, N, New).

hellos(0, Children) -> Children;
hellos(N, Children) -> receive {hello, I, Pid} -> hellos(N - 1, Children#{I => Pid}) end.

%% ---------------------------------------------------------------- selective

fill(0) -> ok;
fill(N) -> self() ! {noise, N}, fill(N - 1).

drain(0) -> receive {noise, _} -> exit(noise) after 0 -> ok end;
drain(N) -> receive {noise, N} -> drain(N - 1) end.

selective(Times) ->
    Echo = spawn_link(fun pong/0),
    fill(100000),
    T0 = now_ns(),
    [begin Echo ! {ping, self(), I}, receive {pong, J} -> I = J end end || I <- lists:seq(1, Times)],
    Ns = now_ns() - T0,
    drain(100000),
    {Ns / 1000 / Times, "us"}.

pong() -> receive {ping, From, I} -> From ! {pong, I}, pong() end.

selective_call(Times) ->
    {ok, Server} = gen_server:start_link(bench_counter, 0, []),
    fill(100000),
    T0 = now_ns(),
    [I = gen_server:call(Server, inc) || I <- lists:seq(1, Times)],
    Ns = now_ns() - T0,
    drain(100000),
    {Ns / Times, "ns/call"}.

%% ---------------------------------------------------------------- echo

echo(RoundTrips) ->
    {ok, Listener} = gen_tcp:listen(0, [binary, inet, {ip, {127, 0, 0, 1}}, {active, false}, {backlog, 4096}, {nodelay, true}]),
    {ok, Port} = inet:port(Listener),
    spawn_link(fun() -> accept(Listener) end),
    Client = open_port({spawn_executable, os:getenv("BENCH_ECHO_CLIENT")},
                       [{args, [integer_to_list(Port), integer_to_list(RoundTrips)]}, exit_status, {line, 200}]),
    Lines = client_lines(Client),
    Levels = [[to_number(X) || X <- string:lexemes(Line, " ")] || Line <- Lines],
    [Rate] = [R || [100, R, _, _] <- Levels],
    {Rate, "round trips/s", lists:append([begin
        C = "c" ++ integer_to_list(N),
        [{C, R, "round trips/s"}, {C ++ "_p50", P50, "us"}, {C ++ "_p99", P99, "us"}]
    end || [N, R, P50, P99] <- Levels]), []}.

to_number(S) -> case string:to_float(S) of {F, []} -> F; _ -> list_to_integer(S) end.

client_lines(Client) ->
    receive
        {Client, {data, {eol, Line}}} -> [Line | client_lines(Client)];
        {Client, {exit_status, 0}} -> []
    end.

accept(Listener) ->
    {ok, Socket} = gen_tcp:accept(Listener),
    Pid = spawn(fun() -> receive go -> serve(Socket) end end),
    ok = gen_tcp:controlling_process(Socket, Pid),
    Pid ! go,
    accept(Listener).

serve(Socket) ->
    inet:setopts(Socket, [{active, once}]),
    receive
        {tcp, Socket, Data} -> ok = gen_tcp:send(Socket, Data), serve(Socket);
        {tcp_closed, Socket} -> ok
    end.

%% ---------------------------------------------------------------- sizes
%% A binary is shared between processes; the copy is what the sender pays for a fresh one. The receiver adds up all words.

sizes(Size, N) ->
    Words = Size div 8,
    Buffer = << <<I:64/native>> || I <- lists:seq(1, Words) >>,
    Me = self(),
    Receiver = spawn_link(fun size_receiver/0),
    T0 = now_ns(),
    spawn_link(fun() ->
        Window = min(8, N),
        [size_send(Receiver, Buffer) || _ <- lists:seq(1, Window)],
        Me ! size_loop(N, N - Window, Receiver, Buffer, 0)
    end),
    Sum = receive S -> S end,
    Value = per_second(N * Size, T0),
    Sum = N * (Words * (Words + 1) div 2),
    {Value, "bytes/s"}.

size_send(Receiver, Buffer) -> Receiver ! {data, self(), binary:copy(Buffer)}.

size_loop(0, 0, _, _, Sum) -> Sum;
size_loop(Due, Left, Receiver, Buffer, Sum) ->
    receive {taken, S} ->
        if Left > 0 -> size_send(Receiver, Buffer), size_loop(Due - 1, Left - 1, Receiver, Buffer, Sum + S);
           true -> size_loop(Due - 1, 0, Receiver, Buffer, Sum + S)
        end
    end.

size_receiver() -> receive {data, From, Data} -> From ! {taken, words(Data, 0)}, size_receiver() end.

words(<<I:64/native, Rest/binary>>, Sum) -> words(Rest, Sum + I);
words(<<>>, Sum) -> Sum.

%% ---------------------------------------------------------------- idle CPU

idle_cpu(N, QuietMs) ->
    Pids = [spawn_link(fun idler/0) || _ <- lists:seq(1, N)],
    [P ! {self(), 1} || P <- Pids],
    N = sum(N, 0),
    timer:sleep(min(50, QuietMs)),
    T0 = now_ns(),
    Before = cpu_ns(),
    timer:sleep(QuietMs),
    Used = cpu_ns() - Before,
    Ns = now_ns() - T0,
    [P ! {self(), 1} || P <- Pids],
    N = sum(N, 0),
    {Used / 1000 / (Ns / 1.0e9), "us of CPU in a second"}.

idler() -> receive {From, I} -> From ! I, idler() end.

%% Nanoseconds that all threads of this program have run, from the kernel's books.
cpu_ns() ->
    {ok, Tasks} = file:list_dir("/proc/self/task"),
    lists:sum([begin
        {ok, Text} = file:read_file("/proc/self/task/" ++ T ++ "/schedstat"),
        [Ns | _] = binary:split(Text, <<" ">>),
        binary_to_integer(Ns)
    end || T <- Tasks]).

%% ---------------------------------------------------------------- latency

latency(Pairs, Ns) ->
    Loaders = lists:append([begin
        A = spawn(fun loader/0),
        B = spawn(fun loader/0),
        A ! {B, 0},
        [A, B]
    end || _ <- lists:seq(1, Pairs)]),
    timer:sleep(20),
    Me = self(),
    Echo = spawn_link(fun loader/0),
    End = now_ns() + Ns,
    spawn_link(fun() -> Me ! {histogram, probe(Echo, End, 0, now_ns(), #{}, 0)} end),
    {Counts, Most, Total} = receive {histogram, H} -> H end,
    [exit(P, kill) || P <- Loaders],
    Sorted = lists:sort(maps:to_list(Counts)),
    Total = lists:sum(maps:values(Counts)),
    Us = fun(Share) -> min(rank(Sorted, max(1, ceil(Total * Share))), Most) / 1000 end,
    {Us(0.99), "us", [{"p50", Us(0.5), "us"}, {"p99", Us(0.99), "us"}, {"p999", Us(0.999), "us"}, {"max", Most / 1000, "us"}], Sorted}.

loader() -> receive {From, I} -> From ! {self(), I + 1}, loader() end.

probe(_Echo, End, Count, Now, Counts, Most) when Now >= End -> {Counts, Most, Count};
probe(Echo, End, Count, Now, Counts, Most) ->
    Echo ! {self(), Count},
    Next = Count + 1,
    receive {Echo, Next} -> ok end,
    After = now_ns(),
    Took = After - Now,
    probe(Echo, End, Next, After, maps:update_with(upper(Took), fun(C) -> C + 1 end, 1, Counts), max(Most, Took)).

%% The largest value of the histogram's part that Ns falls into: each power of two in 64 parts, as in apus-c.
upper(Ns) when Ns < 64 -> Ns;
upper(Ns) -> upper(Ns, 0).

upper(Ns, Shift) when Ns bsr Shift >= 128 -> upper(Ns, Shift + 1);
upper(Ns, Shift) -> (((Ns bsr Shift) + 1) bsl Shift) - 1.

rank([{Upper, Count} | _], Rank) when Count >= Rank -> Upper;
rank([{_, Count} | Rest], Rank) -> rank(Rest, Rank - Count).

%% ---------------------------------------------------------------- million

million(N) ->
    Me = self(),
    Pids = [spawn(fun() -> receive {init, Next} -> holder(Next, I, Me) end end) || I <- lists:seq(0, N - 1)],
    All = list_to_tuple(Pids),
    [element(I + 1, All) ! {init, element((I + 7919) rem N + 1, All)} || I <- lists:seq(0, N - 1)],
    erlang:garbage_collect(),
    T0 = now_ns(),
    [P ! 4 || P <- Pids],
    Sum = sum(N, 0),
    Value = per_second(N * 6, T0),
    Sum = N * (N - 1) div 2,
    {Value, "msg/s"}.

holder(Next, I, Boss) ->
    receive
        0 -> Boss ! I;
        Left -> Next ! Left - 1
    end,
    holder(Next, I, Boss).
