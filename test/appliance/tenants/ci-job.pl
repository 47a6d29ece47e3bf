# A CI job out of hand: `perl ci-job.pl CHILDREN` keeps one process per core spinning, and sixteen
# that fork without end. What they fork works for a moment, as a compiler would, and ends; of these
# there are as many at a time as the kernel allows, or CHILDREN where that is not 0.
use strict;
use warnings;
use POSIX ":sys_wait_h";
use Time::HiRes qw(sleep);

my $forkers = 16;
my $pause_seconds = 0.001;
# Empty rounds of a loop: some milliseconds.
my $work = 60_000;
my $children_max = int((shift // 0) / $forkers);

sub work { for (1 .. $work) { } }

# start CODE: in a process of its own, or false where the kernel allows no further one.
sub start {
    my ($code) = @_;
    my $pid = fork;
    return defined $pid if !defined $pid || $pid > 0;
    $code->();
    POSIX::_exit(0);
}

sub fork_without_end {
    my $living = 0;
    while (1) {
        $living-- while $living > 0 && waitpid(-1, WNOHANG) > 0;
        my $may = $children_max == 0 || $living < $children_max;
        if ($may && start(\&work)) { $living++ }
        else { sleep $pause_seconds }
    }
}

open my $cpus, "<", "/proc/cpuinfo" or die "/proc/cpuinfo: $!";
my $cores = grep { /^processor\s/ } <$cpus>;
start(sub { work() while 1 }) for 1 .. $cores || 1;
start(\&fork_without_end) for 1 .. $forkers;
sleep 1000 while 1;
