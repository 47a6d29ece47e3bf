/** Bounds of fetching and unpacking, each with its reason. */

/** Helpers at one time: each is a process of some 40 MB. More only queue for network and disk. */
export const FETCHES_AT_ONCE = 16;

/** A broken transfer is taken up again while it gets on; so many breaks in a row without a byte end it. */
export const IDLE_RESUMES_MAX = 5;
/** Breaks in all: a file that changes at every break would be begun anew for ever. */
export const RESUMES_MAX = 100;
/** Pause before the first of them, doubling. */
export const RESUME_PAUSE_MS = 250;

/** Between two lines in the log about one transfer. */
export const PROGRESS_MS = 10_000;

/** What is read or written at once. */
export const CHUNK_BYTES: number = 1 << 18;

/** Redirects followed in a row: as many as browsers and curl's users are content with. */
export const REDIRECTS_MAX = 20;

/** Entries of an archive: a Linux kernel has 90,000; far beyond, a file system runs out of inodes. */
export const ARCHIVE_ENTRIES_MAX = 1_000_000;
/** Names of an archive's folders, in full: one entry may name 2,000 folders that have none. */
export const ARCHIVE_FOLDERS_BYTES_MAX: number = 1 << 25;
/** Longest path and longest extended header of a tar entry; Linux takes 4,096 bytes of path. */
export const PATH_BYTES_MAX = 4096;
export const TAR_HEADER_BYTES_MAX: number = 1 << 20;
/** Table of contents of a zip file, which is read whole. */
export const ZIP_DIRECTORY_BYTES_MAX: number = 1 << 27;

/** What xz takes to unpack: `xz -9` needs 65 MB, and an archive may name a dictionary of 4 GB. */
export const XZ_MEMORY_BYTES_MAX: number = 1 << 28;

/** Text a helper may say before its end, such as a stack trace. */
export const HELPER_STDERR_BYTES_MAX = 4096;
/** One line of a helper; the longest holds an URI and a reason. */
export const HELPER_LINE_BYTES_MAX: number = 1 << 20;

/** URIs of one command, so that one launch cannot hold a place for ever. */
export const URIS_MAX = 1000;
