package platform

import (
	"github.com/spf13/cobra"

	"github.com/runagent/runagent/internal/app/platform/backup"
)

const backupHelp = `Write what a platform can't be made again from into the new FILE: keys as hashes,
agents, revisions, bundles and sealed secrets. The platform may run meanwhile. Not in it:
the master key that opens the secrets, records of calls, and what agents stored.`

func (d *Desk) newBackupCommand() *cobra.Command {
	data := ""
	cmd := &cobra.Command{
		Use:     "backup FILE --data DIR",
		Short:   "Copy a platform into one file, while it runs",
		Long:    backupHelp,
		Example: "  runagent platform backup platform.tar --data ./data",
		Args:    d.upTo(1, 1, "the file to write"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if data == "" {
				return d.Usage("name the platform's folder with --data")
			}
			bundles, err := backup.Write(cmd.Context(), data, args[0])
			if err == nil {
				d.say("Wrote %s with %s. Keep the master key apart: without it no secret can be read again.", args[0], count(bundles, "bundle"))
			}
			return err
		},
	}
	cmd.Flags().StringVar(&data, "data", "", "the platform's `FOLDER`")
	return cmd
}

func (d *Desk) newRestoreCommand() *cobra.Command {
	data := ""
	cmd := &cobra.Command{
		Use:     "restore FILE --data DIR",
		Short:   "Make a platform's folder from a backup",
		Long:    "Make the folder of a platform from a backup, every bundle of which is checked. The\nfolder must be empty, or not exist.",
		Example: "  runagent platform restore platform.tar --data ./new",
		Args:    d.upTo(1, 1, "the backup"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if data == "" {
				return d.Usage("name the new folder with --data")
			}
			bundles, err := backup.Restore(cmd.Context(), args[0], data)
			if err == nil {
				d.say("Restored %s with %s. Put the master key there, too, if there are secrets: as master.key, its owner's alone.", data, count(bundles, "bundle"))
			}
			return err
		},
	}
	cmd.Flags().StringVar(&data, "data", "", "the new `FOLDER`")
	return cmd
}
