/**
 * Puts a filter before the system calls of a command, by way of the host's perl: most versions of
 * setpriv cannot. It needs the agent's rights and gives none away, so that programs with a setuid bit
 * go on working; the command's user comes after it.
 */
import { join } from "node:path";
import { ContainerizerError, type ContainerRootfs } from "../containerizer.ts";
import { HELPER_PATH } from "./host-tools.ts";
import { findPerl } from "./perl.ts";

/**
 * Arguments: CALL (number of the system call seccomp), FILE (the program, 8 bytes an instruction),
 * ROOT and FOLDER (where the command is to be, or nothing), then the command.
 */
export const SECCOMP_SCRIPT: string = `\
# Starts a command of allot behind a filter of system calls.
my ($call, $file, $root, $folder, @command) = @ARGV;
open(my $source, '<:raw', $file) or die "$file: $!\\n";
my $program = do { local $/; <$source> };
close($source);
if ($root ne '') {
  chroot($root) or die "$root: $!\\n";
  chdir($folder) or die "$folder: $!\\n";
}
my $filter = pack('S x![Q] P', length($program) / 8, $program);
syscall($call + 0, 1, 0, $filter) == 0 or die "the seccomp profile cannot be loaded: $!\\n";
exec { $command[0] } @command or die "$command[0]: $!\\n";
`;

/** Words in front of the command. Errors: `ContainerizerError` without perl. */
export function seccompWords(
  script: string,
  file: string,
  rootfs: ContainerRootfs | undefined,
): string[] {
  const perl = findPerl();
  if (perl === undefined) throw new ContainerizerError(PERL_MISSING);
  const folder = rootfs?.workingDirectory ?? rootfs?.sandboxPath ?? "";
  return [perl.path, script, String(perl.seccomp), file, rootfs?.path ?? "", join("/", folder)];
}

/** Why no profile can be loaded. */
export const PERL_MISSING: string = `Seccomp profiles are loaded by perl, which is not in ${HELPER_PATH}: install it (perl-base on Debian)`;
