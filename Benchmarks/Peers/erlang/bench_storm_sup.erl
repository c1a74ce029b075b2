%% A supervisor of N children that say hello to Boss, for the restart storm.
-module(bench_storm_sup).
-behaviour(supervisor).
-export([start_link/2, init/1, start_child/2]).

start_link(N, Boss) -> supervisor:start_link(?MODULE, {N, Boss}).

init({N, Boss}) ->
    %% An intensity that is never reached.
    {ok, {#{strategy => one_for_one, intensity => 1000000000, period => 1},
          [#{id => I, start => {?MODULE, start_child, [I, Boss]}} || I <- lists:seq(1, N)]}}.

start_child(I, Boss) -> {ok, proc_lib:spawn_link(fun() -> Boss ! {hello, I, self()}, wait() end)}.

wait() -> receive crash -> exit(crash); _ -> wait() end.
